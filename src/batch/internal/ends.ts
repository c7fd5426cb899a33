/** Functions that consume a stream of items. `Batch` exports them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import { stopAtFailure } from "../../extraction/stopAtFailure.ts"

/**
 * The values of a stream of items or elements up to the first failure, with which the stream then fails. Use it when a
 * failure should end the pipeline.
 *
 * **Example** (The first failure ends the stream)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada", "secret"], { ordered: true }).pipe(
 *   Batch.values,
 *   Stream.map(({ name }) => name),
 *   Stream.runCollect,
 *   Effect.catchReason("ExtractionError", "Refused", ({ refusal }) => Effect.succeed(refusal)),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("No.") }))
 * )
 *
 * await Effect.runPromise(program) // => "No."
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const values: <A, E, R>(
  items: Stream.Stream<{ readonly result: Result.Result<A, ExtractionError> }, E, R>
) => Stream.Stream<A, E | ExtractionError, R> = stopAtFailure

/**
 * Runs a stream of items or elements to its end, and separates the values from the failed items. Use it for batches whose
 * results fit in memory, to handle the failures afterwards.
 *
 * **Example** (Values and failed items)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada", "secret"]).pipe(
 *   Batch.partition,
 *   Effect.map(([values, failed]) => [values.length, failed.map(({ input }) => input)]),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("No.") }))
 * )
 *
 * await Effect.runPromise(program) // => [1, ["secret"]]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const partition = <A, Failed extends { readonly result: Result.Result<A, ExtractionError> }, E, R>(
  items: Stream.Stream<Failed & { readonly result: Result.Result<A, ExtractionError> }, E, R>
): Effect.Effect<readonly [values: Array<A>, failed: Array<Failed>], E, R> =>
  Effect.suspend(() => {
    const values: Array<A> = []
    const failed: Array<Failed> = []
    return Effect.as(
      Stream.runForEach(items, (item) =>
        Effect.sync(() => {
          if (Result.isSuccess(item.result)) values.push(item.result.success)
          else failed.push(item)
        })),
      [values, failed] as const
    )
  })
