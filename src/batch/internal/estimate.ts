/** Examines the first items of a batch, extracts some of them as probes, and extrapolates. `Batch` exports `estimate`. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../extraction/Extraction.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Pricing from "../../llm/Pricing.ts"
import * as TokenCount from "../../llm/TokenCount.ts"
import * as Usage from "../../llm/Usage.ts"
import type { BatchEstimate, Options } from "../BatchEstimate.ts"
import { toLimit } from "./options.ts"
import { arrayChunkSize, refuseText, type Source, toStream } from "./source.ts"

const run = Effect.fnUntraced(function*<A, Input, In extends Input, E, R, R2>(
  self: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: Options & { readonly concurrency: number }
): Effect.fn.Return<BatchEstimate, E | ExtractionError, Llm | R | R2> {
  const refused = refuseText(self.name, source)
  if (refused !== undefined) return yield* refused
  const llm = yield* Llm
  const count = yield* TokenCount.fromContext
  const compiled = yield* Effect.fromResult(Compiled.make(self, llm.dialect))
  const { items, sample } = yield* examine(source, options)
  const planned = sample.flatMap((input): ReadonlyArray<Sampled<In>> =>
    Result.match(Compiled.toRequest(compiled, input, llm.model), {
      onFailure: () => [],
      onSuccess: (request) => [{ input, request }]
    })
  )
  const requests = planned.map(({ request }) => request)
  const valid = sample.length === 0 ? 0 : Math.round(items * requests.length / sample.length)
  const probes = yield* probe(compiled, llm, spread(planned, options.probe ?? 0), options.concurrency)
  const measured = measure(probes)

  const guess = (some: ReadonlyArray<LlmRequest>): number =>
    mean(some.map((request) => TokenCount.prompt(request, count)))
  const correction = measured === undefined ? 1 : measured.inputTokens / guess(measured.requests)
  const attempts = Math.round(valid * (measured?.attemptsPerItem ?? 1))
  const tokens = {
    inputTokens: Math.round(attempts * guess(requests) * correction),
    outputTokens: Math.round(
      attempts * (options.outputTokens ?? measured?.outputTokens ??
        Math.min(TokenCount.typicalAnswer(compiled.output), self.parameters.maxTokens ?? Infinity))
    )
  }
  const latency = options.latency === undefined
    ? measured?.latencyMillis ?? 2000
    : Duration.toMillis(Duration.fromInputUnsafe(options.latency))
  return {
    items,
    invalid: items - valid,
    sampled: sample.length,
    probed: probes.length,
    requests: attempts,
    ...tokens,
    usd: costOf(yield* Pricing.CurrentPricing, llm, requests[0], tokens),
    probesUsd: Usage.cost(sum(probes)),
    duration: Duration.millis(Math.round(Math.max(
      attempts * latency / Math.min(options.concurrency, Math.max(1, valid)),
      60_000 * attempts / (options.requestsPerMinute ?? Infinity),
      60_000 * Usage.totalTokens(tokens) / (options.tokensPerMinute ?? Infinity)
    )))
  }
})

const examine = Effect.fnUntraced(function*<In, E, R>(
  source: Iterable<In> | Stream.Stream<In, E, R>,
  options: Options
): Effect.fn.Return<{ readonly items: number; readonly sample: ReadonlyArray<In> }, E, R> {
  const size = Math.max(1, options.sample ?? 100)
  const inputs = toStream(source, arrayChunkSize)
  const sample: Array<In> = []
  let seen = 0
  yield* Stream.runForEachArray(
    options.items === undefined ? inputs : Stream.take(inputs, size),
    (chunk) =>
      Effect.sync(() => {
        seen += chunk.length
        if (sample.length < size) sample.push(...chunk.slice(0, size - sample.length))
      })
  )
  return { items: options.items ?? seen, sample }
})

interface Sampled<out In> {
  readonly input: In
  readonly request: LlmRequest
}

/**
 * Estimates the requests, tokens, cost and time of a batch from a sample of its items. Use it before a large batch.
 * Nothing is sent, unless `probe` asks for measurements.
 *
 * **Example** (Before a large batch)
 *
 * ```ts
 * import { Duration, Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const texts = Array.from({ length: 10_000 }, (_, i) => `My name is John ${i} and I am 30 years old`)
 *
 * const program = Batch.estimate(Schema.Struct({ name: Schema.String }), texts, {
 *   concurrency: 100,
 *   requestsPerMinute: 500
 * }).pipe(
 *   Effect.map(({ duration, requests }) => [requests, Duration.format(duration)]),
 *   Effect.provide(MockLlm.layer([]))
 * )
 *
 * await Effect.runPromise(program) // => [10_000, "20m"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const estimate: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: Options
  ): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: Options
  ): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: Options
): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2> =>
  run(Compiled.resolve<A, Input, R, unknown>(self), source, {
    ...options,
    concurrency: toLimit(options?.concurrency)
  })

/** An item that was extracted to measure it. */
interface Probe {
  readonly request: LlmRequest
  readonly attempts: number
  readonly usage: Usage.Usage
  readonly millis: number
}

const probe = <A, Input, R, In extends Input>(
  compiled: Compiled.Compiled<A, Input, R>,
  llm: Llm["Service"],
  requests: ReadonlyArray<Sampled<In>>,
  concurrency: number
): Effect.Effect<ReadonlyArray<Probe>, ExtractionError, R> =>
  Effect.forEach(
    requests,
    ({ input, request }) =>
      Effect.flatMap(Effect.timed(Effect.result(Compiled.run(compiled, llm, request, input))), ([duration, result]) => {
        if (Result.isFailure(result) && result.failure.isUnrecoverable) return Effect.fail(result.failure)
        const { attempts, usage } = Result.merge(result)
        return Effect.succeed({ request, attempts, usage, millis: Duration.toMillis(duration) })
      }),
    { concurrency }
  )

const sum = (probes: ReadonlyArray<Probe>): Usage.Usage =>
  probes.reduce((sum, { usage }) => Usage.add(sum, usage), Usage.zero)

/** The means of probes. Tokens and latency are per completion. */
interface Measured {
  readonly requests: ReadonlyArray<LlmRequest>
  readonly attemptsPerItem: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly latencyMillis: number
}

/** Measures the probes that used tokens. Answers from a cache use none, so they do not show what other items need. */
const measure = (probes: ReadonlyArray<Probe>): Measured | undefined => {
  const answered = probes.filter(({ usage }) => Usage.totalTokens(usage) > 0)
  if (answered.length === 0) return undefined
  const usage = sum(answered)
  const attempts = answered.reduce((sum, { attempts }) => sum + attempts, 0)
  const attemptsPerItem = attempts / answered.length
  return {
    requests: answered.map(({ request }) => request),
    attemptsPerItem,
    inputTokens: usage.inputTokens / attempts,
    outputTokens: usage.outputTokens / attempts,
    latencyMillis: mean(answered.map(({ millis }) => millis)) / attemptsPerItem
  }
}

/** Picks elements of a list at even distances. */
const spread = <A>(list: ReadonlyArray<A>, count: number): ReadonlyArray<A> => {
  const size = Math.min(Math.max(0, Math.floor(count)), list.length)
  return Array.from({ length: size }, (_, i) => list[Math.floor(i * list.length / size)]!)
}

const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.length === 0 ? 0 : numbers.reduce((sum, n) => sum + n, 0) / numbers.length

/** The cost at full price, because the savings of the provider's prompt cache are unknown. */
const costOf = (
  current: Pricing.Pricing,
  llm: Llm["Service"],
  request: LlmRequest | undefined,
  tokens: Pick<Usage.Usage, "inputTokens" | "outputTokens">
): Option.Option<number> => {
  if (request === undefined) return Option.some(0)
  const price = Pricing.priceOf([current, llm.pricing], request.model)
  // The price of long requests applies to single requests, not to the batch as a whole.
  return Option.fromUndefinedOr(
    price && Pricing.costOf({ ...price, long: undefined }, { ...Usage.zero, ...tokens }, request.parameters.serviceTier)
  )
}
