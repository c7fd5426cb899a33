/** Shows what a run would send and cost, without sending it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Batch from "../../batch/Batch.ts"
import * as Extraction from "../../extraction/Extraction.ts"
import { Llm } from "../../llm/Llm.ts"
import * as OpenAi from "../../providers/openai/OpenAi.ts"
import { usage } from "../commandFailure.ts"
import * as InputSource from "../input/inputSource.ts"
import type { Row } from "../input/row.ts"
import * as Rows from "../input/rows.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as Format from "../progress/format.ts"
import type * as RunBatch from "./runBatch.ts"

/** Prints the first request as JSON, and an estimate of the whole run. */
export const run = Effect.fnUntraced(function*(options: RunBatch.Options) {
  const extraction = Rows.toExtraction(yield* ExtractionOptions.load(options))
  const { dialect, model } = yield* Llm
  const { rows } = yield* InputSource.open(InputSource.optionsOf(options))
  let first: Row | undefined
  const inputs = Stream.map(rows, (row) => {
    if (row._tag === "Text") first ??= row
    return row
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
    const request = Result.flatMap(Extraction.toRequest(extraction, first, { model, dialect }), OpenAi.encode)
    if (Result.isFailure(request)) return yield* usage(request.failure.message)
    yield* StandardOutput.write(`${JSON.stringify(request.success, null, 2)}\n`)
  }
  const { duration, inputTokens, invalid, outputTokens, requests, usd } = estimate
  yield* Console.error(
    [
      `${Format.counted(requests, "request")}, if no answer needs a second attempt`,
      `about ${Format.count(inputTokens)} tokens in and ${Format.count(outputTokens)} out`,
      Option.match(usd, { onNone: () => "at an unknown price", onSome: (usd) => `for ${Format.dollars(usd)}` }),
      `in ${Format.duration(duration)}`,
      ...(invalid === 0 ? [] : [`about ${Format.counted(invalid, "input")} cannot be sent`])
    ].join(", ") + ". Nothing was sent"
  )
})
