/** Files of JSON objects, one on each line. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type CommandFailure, usage } from "../commandFailure.ts"

/** Reads all objects. Empty lines are skipped. */
export const read = Effect.fnUntraced(function*(
  path: string,
  what: string
): Effect.fn.Return<ReadonlyArray<Schema.JsonObject>, CommandFailure, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    (error) =>
      usage(
        `Cannot read ${what} ${path}: ${error.reason._tag === "NotFound" ? "the file does not exist" : error.message}`
      )
  )
  const records: Array<Schema.JsonObject> = []
  for (const [i, line] of text.replace(/^\uFEFF/, "").split("\n").entries()) {
    if (line.trim() === "") continue
    const json = Result.try((): unknown => JSON.parse(line))
    if (Result.isFailure(json)) return yield* usage(`Line ${i + 1} of ${path} is not JSON`)
    if (typeof json.success !== "object" || json.success === null || Array.isArray(json.success)) {
      return yield* usage(`Line ${i + 1} of ${path} is not a JSON object`)
    }
    records.push(json.success as Schema.JsonObject)
  }
  return records
})
