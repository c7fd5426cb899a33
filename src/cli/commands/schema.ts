/** `effect-instructor schema`: what the model is asked for. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Compiled from "../../extraction/internal/compiled.ts"
import * as Asked from "../options/asked.ts"
import { usage } from "../commandFailure.ts"
import * as Flags from "../options/flags.ts"
import * as StandardOutput from "../output/standardOutput.ts"

const flags = { schema: Flags.schema, mode: Flags.asking.mode }

export const schema = Command.make("schema", flags, (options) =>
  Effect.gen(function*() {
    const extraction = yield* Asked.load(options)
    const { output } = yield* Effect.mapError(
      Effect.fromResult(Compiled.make(extraction)),
      ({ reason }) => usage(reason.message)
    )
    yield* StandardOutput.write(`${JSON.stringify(output.jsonSchema, null, 2)}\n`)
  })).pipe(Command.withDescription("Prints the JSON Schema as it is sent to the model"))
