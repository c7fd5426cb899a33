/** `effect-instructor extract`: one text. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { CommandFailure, exitCode, usage } from "../commandFailure.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as Provider from "../options/provider.ts"
import * as Lines from "../output/lines.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as OneText from "./oneText.ts"

const flags = {
  schema: Flags.schema,
  ...Flags.extraction,
  ...Flags.server,
  text: Argument.String("text").pipe(
    Argument.withDescription("The text, or - to read standard input (the default)"),
    Argument.withDefault("-")
  )
}

export const extract = Command.make("extract", flags, (options) =>
  Effect.gen(function*() {
    const extraction = yield* ExtractionOptions.load(options)
    const lines = yield* Effect.fromResult(Lines.make(extraction))
    const text = options.text === "-" ? yield* readInput : options.text
    if (text.trim() === "") return yield* usage("The text is empty")
    const value = yield* Effect.flatMap(OneText.extract(extraction, text), Effect.fromResult).pipe(
      Effect.mapError((error) =>
        new CommandFailure({
          message: error.message,
          exitCode: error.isUnrecoverable ? exitCode.stopped : exitCode.failedItems
        })
      )
    )
    const json = yield* Effect.mapError(Effect.fromResult(lines.value(value)), usage)
    yield* StandardOutput.write(`${JSON.stringify(json, null, 2)}\n`)
  })).pipe(
    Command.provide((options) => Provider.layer({ ...options, sends: true })),
    Command.withDescription("Extract a value from a text and print it as JSON"),
    Command.withExamples([{
      command: `effect-instructor extract --schema person.ts#Person "My name is John and I am 30 years old"`
    }])
  )

const readInput = Stdio.Stdio.use(({ stdin }) => Stream.mkString(Stream.decodeText(stdin))).pipe(
  Effect.mapError((error) => usage(`Cannot read standard input: ${error.message}`))
)
