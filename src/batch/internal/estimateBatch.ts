/** The estimate of a batch. `Batch` exports the public part. */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../extraction/Extraction.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import type { Llm } from "../../llm/Llm.ts"
import type { BatchEstimate, Options as EstimateOptions } from "../BatchEstimate.ts"
import * as Estimate from "./estimate.ts"
import { toLimit } from "./options.ts"
import type { Source } from "./source.ts"

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
    options?: EstimateOptions
  ): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: EstimateOptions
  ): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: EstimateOptions
): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2> =>
  Estimate.estimate(Compiled.resolve<A, Input, R, unknown>(self), source, {
    ...options,
    concurrency: toLimit(options?.concurrency)
  })
