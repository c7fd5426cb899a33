/** What a run would send and come to, without sending it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Batch from "../../batch/Batch.ts"
import * as Extraction from "../../extraction/Extraction.ts"
import * as ExtractionError from "../../extraction/ExtractionError.ts"
import { Llm } from "../../llm/Llm.ts"
import { toBody } from "../../providers/openai/internal/request.ts"
import * as Asked from "../options/asked.ts"
import * as BatchOfRows from "../input/batchOfRows.ts"
import { usage } from "../commandFailure.ts"
import * as InputSource from "../input/inputSource.ts"
import type * as RunBatch from "./runBatch.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as Words from "../progress/words.ts"

/** Prints the first request as JSON, and what all of them together come to. */
export const run = Effect.fnUntraced(function*(options: RunBatch.Options) {
  const extraction = BatchOfRows.toExtraction(yield* Asked.load(options))
  const { model } = yield* Llm
  const { rows } = yield* InputSource.open({
    path: options.input,
    fields: { text: options.textField, id: options.idField },
    limit: options.limit
  })
  let first: BatchOfRows.TextRow | undefined
  const inputs = Stream.map(BatchOfRows.toInputs(rows, extraction), (input) => {
    if (!ExtractionError.isExtractionError(input)) first ??= input
    return input
  })
  const estimate = yield* Effect.mapError(
    Batch.estimate(extraction, inputs, {
      concurrency: options.concurrency,
      requestsPerMinute: options.rpm,
      tokensPerMinute: options.tpm
    }),
    (error) => error._tag === "ExtractionError" ? usage(error.reason.message) : error
  )
  if (first !== undefined) {
    const request = Result.flatMap(Extraction.toRequest(extraction, first, { model }), toBody)
    if (Result.isFailure(request)) return yield* usage(request.failure.message)
    yield* StandardOutput.write(`${JSON.stringify(request.success, null, 2)}\n`)
  }
  const { duration, inputTokens, invalid, outputTokens, requests, usd } = estimate
  yield* Console.error(
    `${Words.count(requests)} requests: about ${Words.count(inputTokens)} tokens in, ${Words.count(outputTokens)} out` +
      Option.match(usd, { onNone: () => ", at an unknown price", onSome: (usd) => `, ${Words.dollars(usd)}` }) +
      `, ${Words.duration(duration)}, if no answer needs a second attempt. ` +
      (invalid === 0 ? "" : `About ${Words.count(invalid)} inputs cannot be sent. `) +
      `Nothing was sent`
  )
})
