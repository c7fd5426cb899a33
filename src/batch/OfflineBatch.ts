/**
 * The steps of offline batches, one by one, for programs in which the process that submits is not the one that collects.
 * `Batch.offline` does them all, and also repeats what was not answered.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compiled from "../extraction/Compiled.ts"
import type { Extraction } from "../extraction/Extraction.ts"
import { ExtractionError, ProviderFailure, Skipped } from "../extraction/ExtractionError.ts"
import { type BatchResult, type BatchStatus, LlmBatch, type Reference } from "../llm/LlmBatch.ts"
import type { LlmError } from "../llm/LlmError.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import { type Usage, zero } from "../llm/Usage.ts"
import type { BatchError } from "./BatchError.ts"
import type { OfflineOptions } from "./internal/engines/offline/options.ts"
import * as Remote from "./internal/engines/offline/remote.ts"
import { positionIn } from "./internal/engines/offline/rows.ts"
import * as Submission from "./internal/engines/offline/submission.ts"
import type { Source } from "./internal/source.ts"

/**
 * Submits inputs as batches, and returns their references: plain data for another process to go on with.
 *
 * **Example** (Submitting now, and collecting later)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { OfflineBatch } from "effect-instructor"
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   const references = yield* OfflineBatch.submit(Person, ["I am Ada"])
 *   return yield* Stream.runCollect(OfflineBatch.collect(Person, references))
 * }).pipe(Effect.provide(MockLlmBatch.layer([{ name: "Ada" }])))
 *
 * const [item] = await Effect.runPromise(program)
 * item?.result // => Result.succeed({ name: "Ada" })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const submit = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: Pick<OfflineOptions, "maxBytes" | "maxRequests">
): Effect.Effect<ReadonlyArray<Reference>, E | BatchError | ExtractionError, LlmBatch | R2> =>
  Submission.submitAll(Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {})

/**
 * The status of a submitted batch.
 *
 * @category running
 * @since 0.1.0
 */
export const status = (reference: Reference): Effect.Effect<BatchStatus, LlmError, LlmBatch> =>
  LlmBatch.use((service) => service.poll(reference))

/**
 * Cancels a submitted batch. What is answered by then can be collected.
 *
 * @category running
 * @since 0.1.0
 */
export const cancel = (reference: Reference): Effect.Effect<void, LlmError, LlmBatch> =>
  LlmBatch.use((service) => service.cancel(reference))

/**
 * The batches of the account, newest first, including those of other programs.
 *
 * @category running
 * @since 0.1.0
 */
export const list: Stream.Stream<BatchStatus, LlmError, LlmBatch> = Stream.unwrap(
  Effect.map(LlmBatch, (service) => service.list)
)

/**
 * What `collect` emits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Collected<out A> {
  /** The position of the input among those that were submitted, from 0. */
  readonly index: number
  readonly result: Result.Result<A, ExtractionError>
  /** Completions received: 0 or 1. */
  readonly attempts: number
  readonly usage: Usage
}

/**
 * Collects the results of submitted batches, and waits for those that have not ended. Give it the references in the order
 * in which `submit` returned them. Every input has one result: a request that was not answered fails with the reason.
 *
 * @category running
 * @since 0.1.0
 */
export const collect = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  references: Reference | ReadonlyArray<Reference>,
  options?: Pick<OfflineOptions, "onStatus" | "poll">
): Stream.Stream<Collected<A>, ExtractionError, LlmBatch | R> => {
  const extraction = Compiled.resolve<A, Input, R, unknown>(self)
  let offset = 0
  const all = (Array.isArray(references) ? references as ReadonlyArray<Reference> : [references as Reference])
    .map((reference) => {
      const start = offset
      offset += reference.requests
      return { reference, start }
    })
  return Stream.flatMap(
    Stream.fromIterable(all),
    ({ reference, start }) =>
      Stream.map(collectOne(extraction, reference, options ?? {}), (item) => ({ ...item, index: start + item.index }))
  )
}

const collectOne = <A, Input, R>(
  extraction: Extraction<A, Input, R>,
  reference: Reference,
  options: Pick<OfflineOptions, "onStatus" | "poll">
): Stream.Stream<Collected<A>, ExtractionError, LlmBatch | R> =>
  Stream.unwrap(Effect.gen(function*() {
    const service = yield* LlmBatch
    const compiled = yield* Effect.fromResult(Compiled.make(extraction, service.dialect))
    const toError = (error: LlmError): ExtractionError =>
      new ExtractionError({
        extraction: extraction.name,
        reason: new ProviderFailure({ error }),
        attempts: 0,
        usage: zero
      })
    const ended = yield* Effect.mapError(Remote.pollToEnd(service, reference, options), toError)
    const missing = new Set(Array.from({ length: reference.requests }, (_, position) => position))
    const decode = (result: BatchResult): Effect.Effect<Option.Option<Collected<A>>, never, R> => {
      const position = positionIn(reference.name, reference.requests, result.id)
      if (!missing.delete(position)) return Effect.succeedNone
      return Effect.asSome(Effect.map(
        meaning(compiled, reference, result),
        (collected) => ({ ...collected, index: position })
      ))
    }
    const found = service.results(reference, compiled.output).pipe(
      Stream.mapError(toError),
      Stream.mapEffect(decode),
      Stream.filter(Option.isSome),
      Stream.map(({ value }) => value)
    )
    const rest = Stream.suspend(() =>
      Stream.fromIterable(Array.from(missing, (index): Collected<A> => ({
        index,
        result: Result.fail(toError(
          ended.error ?? Remote.notAnswered(service, "the batch has no result for the request")
        )),
        attempts: 0,
        usage: zero
      })))
    )
    return Stream.concat(found, rest)
  }))

/** The meaning of one result. Nothing is asked again. */
const meaning = <A, Input, R>(
  compiled: Compiled.Compiled<A, Input, R>,
  { model }: Reference,
  result: BatchResult
): Effect.Effect<Omit<Collected<A>, "index">, never, R> => {
  const { name: extraction, parameters } = compiled.extraction
  const fail = (
    reason: ExtractionError["reason"],
    attempts: number,
    usage: Usage
  ): Omit<Collected<A>, "index"> => ({
    result: Result.fail(new ExtractionError({ extraction, reason, attempts, usage })),
    attempts,
    usage
  })
  switch (result._tag) {
    case "Completed": {
      const { completion } = result
      const first: LlmRequest = { model, messages: [], output: compiled.output, parameters }
      const spent = { attempts: 1, usage: completion.usage }
      const step = Compiled.step(compiled, first, completion, { before: { invalid: [] }, source: () => "", spent })
      return Effect.map(step, (step) => {
        switch (step._tag) {
          case "Valid":
            return { result: Result.succeed(step.value), ...spent }
          case "Failed":
          case "Reask":
            return fail(step.reason, 1, spent.usage)
        }
      })
    }
    case "Failed":
      return Effect.succeed(fail(new ProviderFailure({ error: result.error }), 0, result.error.usage ?? zero))
    case "Expired":
      return Effect.succeed(
        fail(new Skipped({ description: "the batch expired before it answered the request" }), 0, zero)
      )
    case "Cancelled":
      return Effect.succeed(
        fail(new Skipped({ description: "the batch was cancelled before it answered the request" }), 0, zero)
      )
  }
}
