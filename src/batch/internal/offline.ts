/** Batches over the batch APIs of providers. `Batch` exports it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../extraction/Extraction.ts"
import { ExtractionError, InvalidOutput, ProviderFailure, Skipped } from "../../extraction/ExtractionError.ts"
import type { Llm } from "../../llm/Llm.ts"
import { type BatchResult, type BatchStatus, LlmBatch, type Reference } from "../../llm/LlmBatch.ts"
import type { LlmError } from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import { type Usage, zero } from "../../llm/Usage.ts"
import type { BatchError } from "../BatchError.ts"
import * as Engine from "./engines/offline/engine.ts"
import type { OfflineOptions } from "./engines/offline/options.ts"
import * as Remote from "./engines/offline/remote.ts"
import { positionIn } from "./engines/offline/rows.ts"
import * as Submission from "./engines/offline/submission.ts"
import type { Item } from "./item.ts"
import type { Source } from "./source.ts"

/** The options of a run that finishes in batches. */
interface InBatches {
  readonly finish?: "batch" | "none" | undefined
  readonly deadline?: undefined
}

/**
 * Extracts through the batch API of a provider, which costs about half and takes up to 24 hours. It emits the same items
 * as `stream`: every input gets one, whatever happens to its batch.
 *
 * Inputs are written to batches as large as the provider allows. What is not answered, or not valid, goes into the next
 * batch. With a `FileSystem` in the context, lines wait in temporary files instead of memory.
 *
 * With a `Journal` in the context, a run that was interrupted goes on where it stopped: run it again with the same journal.
 * Nothing is submitted twice, and `stream` and `offline` share the journal. Without one, the batches of a run that is
 * interrupted are cancelled.
 *
 * **Example** (At half the price)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * const program = Batch.offline(Schema.Struct({ name: Schema.String }), ["I am Ada", "I am Alan"], { ordered: true }).pipe(
 *   Stream.map(({ result }) => Result.isSuccess(result) ? result.success.name : "failed"),
 *   Stream.runCollect,
 *   Effect.provide(MockLlmBatch.layer({ "I am Ada": { name: "Ada" }, "I am Alan": { name: "Alan" } }))
 * )
 *
 * await Effect.runPromise(program) // => ["Ada", "Alan"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const offline: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: OfflineOptions<In> & InBatches
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2>
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options: OfflineOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: OfflineOptions<In> & InBatches
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options: OfflineOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: OfflineOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2> =>
  Engine.run(Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {})

/**
 * Submits inputs as batches, and returns their references: plain data for another process to go on with. Use the single
 * steps where the process that submits is not the one that collects; `offline` does them all, and also repeats what was
 * not answered.
 *
 * **Example** (Submitting now, and collecting later)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   const references = yield* Batch.submit(Person, ["I am Ada"])
 *   return yield* Stream.runCollect(Batch.collect(Person, references))
 * }).pipe(Effect.provide(MockLlmBatch.layer([{ name: "Ada" }])))
 *
 * const [item] = await Effect.runPromise(program)
 * item?.result // => Result.succeed({ name: "Ada" })
 * ```
 *
 * @category offline
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
 * @category offline
 * @since 0.1.0
 */
export const status = (reference: Reference): Effect.Effect<BatchStatus, LlmError, LlmBatch> =>
  LlmBatch.use((service) => service.poll(reference))

/**
 * Cancels a submitted batch. What is answered by then can be collected.
 *
 * @category offline
 * @since 0.1.0
 */
export const cancel = (reference: Reference): Effect.Effect<void, LlmError, LlmBatch> =>
  LlmBatch.use((service) => service.cancel(reference))

/**
 * The batches of the account, the newest first, whoever submitted them.
 *
 * @category offline
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
 * @category offline
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
    const found = service.results(reference).pipe(
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
      const step = Compiled.step(compiled, first, completion, { invalid: [], source: () => "", spent })
      return Effect.map(step, (step) => {
        switch (step._tag) {
          case "Valid":
            return { result: Result.succeed(step.value), ...spent }
          case "Failed":
            return fail(step.reason, 1, spent.usage)
          case "Reask":
            return fail(new InvalidOutput({ attempts: step.invalid }), 1, spent.usage)
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
