/** Looks at the first items of a batch, asks for some of them if it is to, and multiplies. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { BatchEstimate, Options } from "../BatchEstimate.ts"
import type { Extraction } from "../../extraction/Extraction.ts"
import * as ExtractionError from "../../extraction/ExtractionError.ts"
import * as TokenBounds from "../../llm/TokenBounds.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Pricing from "../../llm/Pricing.ts"
import * as Usage from "../../llm/Usage.ts"
import * as Compiled from "../../extraction/internal/compiled.ts"

export const estimate = Effect.fnUntraced(function*<A, Input, In, E, R, R2>(
  self: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: Options & { readonly concurrency: number }
): Effect.fn.Return<BatchEstimate, E | ExtractionError.ExtractionError, Llm | R | R2> {
  const llm = yield* Llm
  const compiled = yield* Effect.fromResult(Compiled.make(self, llm.dialect))
  const { items, sample, usable } = yield* look(source, options)
  const requests = sample.flatMap((input) => {
    // What is no error is an input.
    const request = Compiled.toRequest(compiled, input as unknown as Input, llm.model)
    return Result.isSuccess(request) ? [request.success] : []
  })
  const probes = yield* Effect.forEach(
    spread(requests, options.probe ?? 0),
    (request) => Effect.timed(Effect.result(Compiled.run(compiled, llm, request))),
    { concurrency: options.concurrency }
  )
  for (const [, result] of probes) {
    if (Result.isFailure(result) && result.failure.isUnrecoverable) return yield* result.failure
  }
  const spent = probes.map(([, result]) => Result.merge(result))
  const measured = spent.reduce((sum, { usage }) => Usage.add(sum, usage), Usage.zero)
  const attempts = spent.reduce((sum, { attempts }) => sum + attempts, 0)
  // A cache may have answered some of the probes, which says nothing about what others take.
  const isMeasured = Usage.totalTokens(measured) > 0

  const valid = sample.length === 0 ? 0 : Math.round(usable * requests.length / sample.length)
  const perItem = isMeasured ? attempts / probes.length : 1
  const count = Math.round(valid * perItem)
  const guessedInput = mean(requests.map(TokenBounds.typical))
  const correction = isMeasured
    ? measured.inputTokens / attempts / mean(spread(requests, probes.length).map(TokenBounds.typical))
    : 1
  const inputTokens = Math.round(count * guessedInput * correction)
  const outputTokens = Math.round(
    count * (options.outputTokens ??
      (isMeasured
        ? measured.outputTokens / attempts
        : Math.min(TokenBounds.typicalAnswer(compiled.output), self.parameters.maxTokens ?? Infinity)))
  )
  const latency = options.latency !== undefined
    ? Duration.toMillis(Duration.fromInputUnsafe(options.latency))
    : isMeasured
    ? mean(probes.map(([duration]) => Duration.toMillis(duration))) / perItem
    : 2000
  return {
    items,
    invalid: items - valid,
    sampled: sample.length,
    probed: probes.length,
    requests: count,
    inputTokens,
    outputTokens,
    usd: yield* cost(requests[0], { inputTokens, outputTokens }),
    probesUsd: Usage.cost(measured),
    duration: Duration.millis(Math.round(Math.max(
      count * latency / Math.min(options.concurrency, Math.max(1, valid)),
      60_000 * count / (options.requestsPerMinute ?? Infinity),
      60_000 * (inputTokens + outputTokens) / (options.tokensPerMinute ?? Infinity)
    )))
  }
})

interface Look<In> {
  readonly items: number
  /** Those of the items that are no errors. */
  readonly usable: number
  readonly sample: ReadonlyArray<In>
}

const look = Effect.fnUntraced(function*<In, E, R>(
  source: Iterable<In> | Stream.Stream<In, E, R>,
  options: Options
): Effect.fn.Return<Look<In>, E, R> {
  const size = Math.max(1, options.sample ?? 100)
  const inputs = Stream.isStream(source) ? source : Stream.fromIterable(source)
  const sample: Array<In> = []
  let seen = 0
  let errors = 0
  const limited = options.items === undefined ? inputs : Stream.take(inputs, size)
  yield* Stream.runForEachArray(limited, (chunk) =>
    Effect.sync(() => {
      seen += chunk.length
      for (const input of chunk) {
        if (ExtractionError.isExtractionError(input)) errors++
        else if (sample.length < size) sample.push(input)
      }
    }))
  const items = options.items ?? seen
  return { items, usable: seen === 0 ? 0 : Math.round(items * (1 - errors / seen)), sample }
})

/** So many of a list, at even distances. */
const spread = <A>(list: ReadonlyArray<A>, count: number): ReadonlyArray<A> => {
  const size = Math.min(Math.max(0, Math.floor(count)), list.length)
  return Array.from({ length: size }, (_, i) => list[Math.floor(i * list.length / size)]!)
}

const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.length === 0 ? 0 : numbers.reduce((sum, n) => sum + n, 0) / numbers.length

/** At the full price: what the provider's prompt cache will have is its own affair. */
const cost = (
  request: LlmRequest | undefined,
  tokens: Pick<Usage.Usage, "inputTokens" | "outputTokens">
): Effect.Effect<Option.Option<number>> =>
  Effect.map(Pricing.CurrentPricing, (pricing) => {
    if (request === undefined) return Option.some(0)
    const price = Pricing.priceOf([pricing], request.model)
    // That a single request is long does not follow from all of them being so.
    return Option.fromUndefinedOr(
      price &&
        Pricing.costOf({ ...price, long: undefined }, { ...Usage.zero, ...tokens }, request.parameters.serviceTier)
    )
  })
