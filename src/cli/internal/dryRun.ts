/** What a run would send and come to, without sending it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Batch from "../../Batch.ts"
import * as Extraction from "../../Extraction.ts"
import * as ExtractionError from "../../ExtractionError.ts"
import { Llm } from "../../llm/Llm.ts"
import { toBody } from "../../openai/internal/request.ts"
import * as Asked from "./asked.ts"
import * as BatchOfRows from "./batchOfRows.ts"
import { usage } from "./commandFailure.ts"
import * as InputSource from "./inputSource.ts"
import type * as RunBatch from "./runBatch.ts"
import * as StandardOutput from "./standardOutput.ts"
import * as Words from "./words.ts"

/** Prints the first request as JSON, and what all of them together come to. */
export const run = Effect.fnUntraced(function*(options: RunBatch.Options) {
  const extraction = yield* Asked.load(options)
  const { model } = yield* Llm
  const { rows } = yield* InputSource.open({
    path: options.input,
    fields: { text: options.textField, id: options.idField },
    limit: options.limit
  })
  const rowExtraction = BatchOfRows.toExtraction(extraction)
  let first: BatchOfRows.TextRow | undefined
  const inputs = Stream.mapArray(BatchOfRows.toInputs(rows, extraction), (some) => {
    first ??= some.find((input): input is BatchOfRows.TextRow => !ExtractionError.isExtractionError(input))
    return some
  })
  const estimate = yield* Batch.estimate(rowExtraction, inputs, { concurrency: options.concurrency }).pipe(
    Effect.mapError((error) => ExtractionError.isExtractionError(error) ? usage(error.reason.message) : error)
  )
  if (first !== undefined) {
    const body = Result.flatMap(Extraction.toRequest(rowExtraction, first, { model }), toBody)
    if (Result.isFailure(body)) return yield* usage(body.failure.message)
    yield* StandardOutput.write(`${JSON.stringify(body.success, null, 2)}\n`)
  }
  const { inputTokens, invalid, outputTokens, requests, usd } = estimate
  const cannot = invalid === 0 ? "" : `, and ${Words.count(invalid)} inputs that cannot be sent`
  const cost = Option.match(usd, {
    onNone: () => `What ${extraction.model ?? model} costs is not known`,
    onSome: (usd) => `That costs about ${Words.dollars(usd)}`
  })
  yield* Console.error(
    `${Words.count(requests)} requests with about ${Words.count(inputTokens)} tokens in and ` +
      `${Words.count(outputTokens)} out${cannot}. ${cost}, repeated attempts not counted in. Nothing was sent`
  )
})
