/** `extract --many` and `--stream`: values as the model writes them, one line of JSON each. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import * as ExtractionStream from "../../extraction/ExtractionStream.ts"
import { printable } from "../../internal/printable.ts"
import type { Llm } from "../../llm/Llm.ts"
import { CommandFailure, exitCode, silently, usage } from "../commandFailure.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"
import type { OutputLines } from "../output/lines.ts"
import * as StandardOutput from "../output/standardOutput.ts"

export const failure = (error: ExtractionError): CommandFailure =>
  new CommandFailure({
    message: error.message,
    exitCode: error.isUnrecoverable ? exitCode.stopped : exitCode.failedItems
  })

const write = (json: unknown): Effect.Effect<void, CommandFailure> => StandardOutput.write(`${JSON.stringify(json)}\n`)

/** Each value that the text has, as soon as it is complete. One that does not fit the schema is reported. */
export const many = Effect.fnUntraced(function*(
  extraction: AnyExtraction,
  lines: OutputLines,
  text: string
): Effect.fn.Return<void, CommandFailure, Llm> {
  let invalid = 0
  yield* ExtractionStream.elements(extraction, text).pipe(
    Stream.mapError(failure),
    Stream.runForEach(({ index, result }) => {
      const json = Result.isSuccess(result)
        ? lines.value(result.success)
        : Result.fail(result.failure.message)
      if (Result.isSuccess(json)) return write(json.success)
      invalid++
      return Console.error(printable(`Value ${index + 1}: ${json.failure}`))
    })
  )
  if (invalid > 0) return yield* silently(exitCode.failedItems)
})

/** Snapshots of the value. The last line is the value itself. */
export const growing = (
  extraction: AnyExtraction,
  lines: OutputLines,
  text: string
): Effect.Effect<void, CommandFailure, Llm> =>
  ExtractionStream.partial(extraction, text, { every: true }).pipe(
    Stream.mapError(failure),
    Stream.runForEach((snapshot) =>
      snapshot._tag === "Partial"
        ? write(snapshot.value)
        : Effect.flatMap(Effect.mapError(Effect.fromResult(lines.value(snapshot.value)), usage), write)
    )
  )
