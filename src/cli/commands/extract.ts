/** `effect-instructor extract`: one text. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { usage } from "../commandFailure.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as Provider from "../options/provider.ts"
import * as Lines from "../output/lines.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as OneText from "./oneText.ts"
import * as Streamed from "./streamed.ts"

const flags = {
  schema: Flags.schema,
  ...Flags.extraction,
  ...Flags.server,
  many: Flags.enabled("many").pipe(
    Flag.withDescription("Extract every value that the text has, and print each as a line once it is complete")
  ),
  stream: Flags.enabled("stream").pipe(
    Flag.withDescription("Print the value as it grows, a line for each state. The last line is the value")
  ),
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
    if (options.many && options.stream) return yield* usage("Use either --many or --stream, not both")
    if (text.trim() === "") return yield* usage("The text is empty")
    if (options.many) return yield* Streamed.many(extraction, lines, text)
    if (options.stream) return yield* Streamed.growing(extraction, lines, text)
    const value = yield* Effect.flatMap(OneText.extract(extraction, text), Effect.fromResult).pipe(
      Effect.mapError(Streamed.failure)
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
