/** The extraction that a command line describes. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Extraction from "../../extraction/Extraction.ts"
import type { OutputMode } from "../../llm/LlmRequest.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as Parameters from "./parameters.ts"
import { modelOf } from "./provider.ts"
import * as SchemaModule from "./schemaModule.ts"

export interface Options extends Parameters.Options {
  readonly schema: string
  readonly instructions?: string | undefined
  readonly instructionsFile?: string | undefined
  readonly mode?: OutputMode | undefined
  readonly model?: string | undefined
  readonly maxAttempts?: number | undefined
  readonly maxContinuations?: number | undefined
  readonly timeout?: Duration.Duration | undefined
}

/** Fails if the schema cannot be sent. */
export const load = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<SchemaModule.AnyExtraction, CommandFailure, FileSystem.FileSystem | Path.Path> {
  const { maxAttempts, maxContinuations, mode, model, timeout } = options
  const instructions = yield* instructionsOf(options)
  const base = yield* SchemaModule.load(options.schema)
  const extraction = Extraction.with(base, {
    parameters: Parameters.areGiven(options) ? yield* Parameters.merge(base.parameters, options) : undefined,
    instructions,
    mode,
    model: modelOf(model),
    maxAttempts,
    maxContinuations,
    timeout
  })
  yield* Effect.mapError(Effect.fromResult(Extraction.jsonSchema(extraction)), ({ reason }) => usage(reason.message))
  return extraction
})

const instructionsOf = Effect.fnUntraced(function*({ instructions, instructionsFile: file }: Options) {
  if (file === undefined) return instructions
  if (instructions !== undefined) return yield* usage("Use either --instructions or --instructions-file, not both")
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    fs.readFileString(file),
    (error) =>
      usage(
        `Cannot read the instructions ${file}: ${
          error.reason._tag === "NotFound" ? "the file does not exist" : error.message
        }`
      )
  )
})
