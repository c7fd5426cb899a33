/** The options of commands that read the results of a run, with the texts that belong to them. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

export const flags = {
  results: Argument.String("results").pipe(
    Argument.withDescription("The output of a run, one JSON object per line")
  ),
  input: Flag.String("input").pipe(
    Flag.withAlias("i"),
    Flag.withDescription("The input of the run, for the text of each result"),
    Flag.withMetavar("file"),
    Flags.optional
  ),
  textField: Flag.String("text-field").pipe(
    Flag.withDescription("The field or column of the input that contains the text (default text)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  idField: Flag.String("id-field").pipe(
    Flag.withDescription("The field or column of the input that contains the id of an item"),
    Flag.withMetavar("name"),
    Flags.optional
  )
}
