/** `effect-instructor schema`: the JSON Schema that the model receives. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Extraction from "../../extraction/Extraction.ts"
import { usage } from "../commandFailure.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as StandardOutput from "../output/standardOutput.ts"

const flags = { schema: Flags.schema, mode: Flags.extraction.mode }

export const schema = Command.make("schema", flags, (options) =>
  Effect.gen(function*() {
    const extraction = yield* ExtractionOptions.load(options)
    const jsonSchema = yield* Effect.mapError(
      Effect.fromResult(Extraction.jsonSchema(extraction)),
      ({ reason }) => usage(reason.message)
    )
    yield* StandardOutput.write(`${JSON.stringify(jsonSchema, null, 2)}\n`)
  })).pipe(Command.withDescription("Print the JSON Schema that the model receives"))
