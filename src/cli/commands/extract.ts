/** `effect-instructor extract`: one text. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Extraction from "../../extraction/Extraction.ts"
import * as Asked from "../options/asked.ts"
import { CommandFailure, exitCode, usage } from "../commandFailure.ts"
import * as Flags from "../options/flags.ts"
import * as OutputLine from "../output/outputLine.ts"
import * as Provider from "../options/provider.ts"
import * as StandardOutput from "../output/standardOutput.ts"

const flags = {
  schema: Flags.schema,
  ...Flags.asking,
  baseUrl: Flags.baseUrl,
  text: Argument.String("text").pipe(
    Argument.withDescription("The text, or - for the standard input (the default)"),
    Argument.withDefault("-")
  )
}

export const extract = Command.make("extract", flags, (options) =>
  Effect.gen(function*() {
    const extraction = yield* Asked.load(options)
    const lines = yield* Effect.fromResult(OutputLine.make(extraction))
    const text = options.text === "-" ? yield* readInput : options.text
    if (text.trim() === "") return yield* usage("The text is empty: there is nothing to extract from")
    const value = yield* Extraction.extract(extraction, text).pipe(
      Effect.mapError((error) =>
        new CommandFailure({
          message: error.message,
          exitCode: error.isRunFatal ? exitCode.stopped : exitCode.failedItems
        })
      )
    )
    const json = yield* Effect.mapError(Effect.fromResult(lines.value(value)), usage)
    yield* StandardOutput.write(`${JSON.stringify(json, null, 2)}\n`)
  })).pipe(
    Command.provide(({ baseUrl }) => Provider.layer({ baseUrl, isUsed: true })),
    Command.withDescription("Extracts one value from one text, and prints it as JSON"),
    Command.withExamples([{
      command: `effect-instructor extract --schema person.ts#Person "My name is John and I am 30 years old"`
    }])
  )

const readInput = Stdio.Stdio.use(({ stdin }) => Stream.mkString(Stream.decodeText(stdin))).pipe(
  Effect.mapError((error) => usage(`The standard input cannot be read: ${error.message}`))
)
