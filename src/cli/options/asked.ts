/** The extraction that a command line describes. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Extraction from "../../extraction/Extraction.ts"
import * as Compiled from "../../extraction/internal/compiled.ts"
import type { OutputMode } from "../../llm/LlmRequest.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as SchemaModule from "./schemaModule.ts"

export interface Asking {
  readonly schema: string
  readonly instructions?: string | undefined
  readonly instructionsFile?: string | undefined
  readonly mode?: OutputMode | undefined
  readonly model?: string | undefined
  readonly maxAttempts?: number | undefined
  readonly timeout?: Duration.Duration | undefined
}

/** Fails if the schema cannot be sent. */
export const load = Effect.fnUntraced(function*(
  asking: Asking
): Effect.fn.Return<SchemaModule.AnyExtraction, CommandFailure, FileSystem.FileSystem | Path.Path> {
  const own = yield* SchemaModule.load(asking.schema)
  const extraction = Extraction.make({
    ...own,
    instructions: (yield* instructionsOf(asking)) ?? own.instructions,
    mode: asking.mode ?? own.mode,
    model: asking.model ?? own.model,
    maxAttempts: asking.maxAttempts ?? own.maxAttempts,
    timeout: asking.timeout ?? own.timeout
  })
  yield* Effect.mapError(Effect.fromResult(Compiled.make(extraction)), ({ reason }) => usage(reason.message))
  return extraction
})

const instructionsOf = Effect.fnUntraced(function*({ instructions, instructionsFile: file }: Asking) {
  if (file === undefined) return instructions
  if (instructions !== undefined) return yield* usage("Give --instructions or --instructions-file, not both")
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    fs.readFileString(file),
    () => usage(`The instructions ${file} cannot be read: there is no such file`)
  )
})
