/** `effect-instructor schema`: the JSON Schema that the model receives. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Extraction from "../../extraction/Extraction.ts"
import { usage } from "../commandFailure.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as StandardOutput from "../output/standardOutput.ts"

const flags = {
  schema: Flags.schema,
  mode: Flags.extraction.mode,
  lint: Flags.enabled("lint").pipe(
    Flag.withDescription("Print what is known to cost accuracy or money in the schema, instead of the schema")
  )
}

export const schema = Command.make("schema", flags, (options) =>
  Effect.gen(function*() {
    const extraction = yield* ExtractionOptions.load(options)
    if (options.lint) {
      const issues = yield* Effect.mapError(
        Effect.fromResult(Extraction.lint(extraction)),
        ({ reason }) => usage(reason.message)
      )
      yield* StandardOutput.write(
        issues.map(({ message, path, rule, source }) => `${path}: ${message} [${rule}; ${source}]\n`).join("")
      )
      return
    }
    const jsonSchema = yield* Effect.mapError(
      Effect.fromResult(Extraction.jsonSchema(extraction)),
      ({ reason }) => usage(reason.message)
    )
    yield* StandardOutput.write(`${JSON.stringify(jsonSchema, null, 2)}\n`)
  })).pipe(Command.withDescription("Print the JSON Schema that the model receives"))
