/** One run over a batch: inputs in, each item's end out, and the rules for when to stop. */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Item, ResumableOptions, StreamOptions, Valid } from "../Batch.ts"
import * as Feed from "./feed.ts"
import * as Pool from "./pool.ts"
import type { Claim, Journal, JournalItem, JournalRecord } from "../Journal.ts"
import type { JournalError } from "../JournalError.ts"
import * as BatchError from "../BatchError.ts"
import type { Detailed, Extraction } from "../../extraction/Extraction.ts"
import * as ExtractionError from "../../extraction/ExtractionError.ts"
import { Llm } from "../../llm/Llm.ts"
import { CurrentLlmObserver } from "../../llm/RequestObserver.ts"
import { CurrentLlmFlow } from "../../llm/LlmPriority.ts"
import { fingerprint } from "../../llm/fingerprint.ts"
import type * as LlmRequest from "../../llm/LlmRequest.ts"
import { notSent } from "../../extraction/internal/failure.ts"
import * as Compiled from "../../extraction/internal/compiled.ts"

/** An input on its way to a fiber. Its request is made there: a chunk of inputs may be small, and of requests large. */
interface Planned<In> {
  readonly index: number
  readonly id: string | undefined
  readonly input: In
  /** Ends the item before anything is sent. */
  readonly error: ExtractionError.ExtractionError | undefined
  readonly claim: Claim | undefined
}

export const defaultConcurrency = 16

/** Inputs whose contents are in memory at once to be claimed. */
const claimSize = 16

/** A share of failures says nothing about the first few items. */
const minItemsForShare = 100

export const run = <A, Input, In, E, R, R2>(
  self: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: ResumableOptions<In>,
  journal: Journal["Service"] | undefined
): Stream.Stream<Item<A, In>, E | BatchError.BatchError, Llm | R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const llm = yield* Llm
    const flow = (yield* CurrentLlmFlow) ?? {}
    const compiled = yield* Effect.mapError(Effect.fromResult(Compiled.make(self, llm.dialect)), runFatal)
    if (journal !== undefined) yield* Effect.mapError(journal.begin, journalFailure)
    const feed = options.progress === undefined ? undefined : Feed.of(options.progress)
    const inputs = Stream.isStream(source) ? source : Stream.fromIterable(source, { chunkSize: claimSize })
    const planned = plan(inputs, options)
    const grace = options.grace ?? "30 seconds"
    const timeout = options.timeout === undefined ? undefined : Duration.fromInputUnsafe(options.timeout)
    const handle = yield* makeHandle({ compiled, feed, journal, llm, options })
    return Pool.run(journal === undefined ? planned : claim(planned, { compiled, feed, journal, llm, options }), {
      concurrency: toLimit(options.concurrency),
      ordered: options.ordered ?? false,
      handle: (input, stop) => Effect.provideService(handle(input, stop), CurrentLlmFlow, flow),
      timeout: timeout === undefined
        ? undefined
        : { after: timeout, reason: batchError(new BatchError.RunTimedOut({ after: timeout })), grace },
      abandonedGrace: journal === undefined ? undefined : grace
    })
  }))

/** Not Math.max, which would pass on a NaN and start nothing. */
export const toLimit = (concurrency: number | "unbounded" | undefined): number => {
  const limit = concurrency === "unbounded" ? Infinity : Math.floor(concurrency ?? defaultConcurrency)
  return limit >= 1 ? limit : 1
}

const plan = <In, E, R>(
  inputs: Stream.Stream<In, E, R>,
  options: StreamOptions<In>
): Stream.Stream<Planned<In>, E, R> => {
  let next = 0
  return Stream.map(inputs, (input) => {
    const index = next++
    return ExtractionError.isExtractionError(input)
      ? { index, id: undefined, input, error: input, claim: undefined }
      : { index, id: options.id?.(input as Valid<In>, index), input, error: undefined, claim: undefined }
  })
}

interface Run<A, Input, In, R> {
  readonly compiled: Compiled.Compiled<A, Input, R>
  readonly llm: Llm["Service"]
  readonly options: ResumableOptions<In>
  readonly journal: Journal["Service"] | undefined
  readonly feed: Feed.Feed | undefined
}

const toRequest = <A, Input, In, R>(
  { compiled, llm }: Run<A, Input, In, R>,
  { error, input }: Planned<In>
): Result.Result<LlmRequest.LlmRequest, ExtractionError.ExtractionError> =>
  // What is no error is an input.
  error === undefined ? Compiled.toRequest(compiled, input as unknown as Input, llm.model) : Result.fail(error)

/** Asks the journal what it knows of the inputs, and leaves out those that need nothing more. */
const claim = <A, Input, In, E, R, R2>(
  planned: Stream.Stream<Planned<In>, E, R2>,
  run: Run<A, Input, In, R> & { readonly journal: Journal["Service"] }
): Stream.Stream<Planned<In>, E | BatchError.BatchError, R2> => {
  const { feed, journal, options } = run
  const emitRestored = options.emitRestored ?? true
  const retryFailures = options.retryFailures ?? true

  const isEnded = (status: Claim["status"]): boolean => status === "ok" || status === "error" && !retryFailures

  const content = (item: Planned<In>): string => {
    const request = toRequest(run, item)
    return Result.isSuccess(request) ? fingerprint(run.llm, request.success) : `not sent: ${request.failure.message}`
  }

  const claimChunk = Effect.fnUntraced(function*(chunk: ReadonlyArray<Planned<In>>) {
    const pending: Array<Planned<In>> = []
    for (let start = 0; start < chunk.length; start += claimSize) {
      const some = chunk.slice(start, start + claimSize)
      const claims = yield* journal.claim(
        some.map((item): JournalItem => ({ index: item.index, id: item.id, content: content(item) }))
      )
      for (let i = 0; i < some.length; i++) {
        const item = some[i]!
        const claim = claims[i]!
        if (claim.status === "duplicate") {
          pending.push(yield* claimDuplicate(item))
        } else if (!isEnded(claim.status)) {
          pending.push({ ...item, claim: { ...claim, status: "new" } })
        } else if (emitRestored) {
          pending.push({ ...item, claim })
        } else {
          feed?.restored(item.index, item.id)
        }
      }
    }
    return pending
  }, Effect.mapError(journalFailure))

  /** It cannot have the record of the one that came first, so it gets one of its own. */
  const claimDuplicate = ({ id, ...item }: Planned<In>): Effect.Effect<Planned<In>, JournalError> =>
    Effect.map(
      journal.claim([{ index: item.index, id: undefined, content: `duplicate ${id}` }]),
      ([claim]) => ({ ...item, id, claim, error: duplicateId(run.compiled.extraction.name, id) })
    )

  return Stream.chunks(planned).pipe(
    Stream.mapEffect(claimChunk),
    Stream.filter(Arr.isArrayNonEmpty),
    Stream.flattenArray
  )
}

const duplicateId = (name: string, id: string | undefined): ExtractionError.ExtractionError =>
  notSent(
    name,
    new ExtractionError.InvalidInput({
      description: `The id ${
        JSON.stringify(id)
      } occurs more than once. A journal tells items apart by their ids: give each its own`
    })
  )

type Handle<A, In, R> = (
  planned: Planned<In>,
  stop: (reason: BatchError.BatchError) => void
) => Effect.Effect<Item<A, In>, BatchError.BatchError, R>

const makeHandle = <A, Input, In, R>(
  run: Run<A, Input, In, R>
): Effect.Effect<Handle<A, In, R>> =>
  Effect.gen(function*() {
    const { compiled, feed, journal, llm, options } = run
    const clock = yield* Clock.Clock
    const outerObserver = yield* CurrentLlmObserver
    const countFailure = makeFailurePolicy(options)

    const observed = <B, E>(
      { id, index }: Planned<In>,
      effect: Effect.Effect<B, E, R>,
      feed: Feed.Feed
    ): Effect.Effect<B, E, R> =>
      Effect.provideService(effect, CurrentLlmObserver, {
        onRetry: (error, wait) => {
          feed.retried(index, id, error, wait, clock.currentTimeMillisUnsafe())
          outerObserver.onRetry(error, wait)
        },
        onWait: (reason, wait) => {
          feed.waiting(index, reason, wait, clock.currentTimeMillisUnsafe())
          outerObserver.onWait(reason, wait)
        },
        onSend: () => {
          feed.sent(index)
          outerObserver.onSend()
        }
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => feed.left(index))))

    const ask = (planned: Planned<In>): Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, R> => {
      const request = toRequest(run, planned)
      if (Result.isFailure(request)) return Effect.fail(request.failure)
      const asked = Compiled.run(compiled, llm, request.success)
      return feed === undefined ? asked : observed(planned, asked, feed)
    }

    // Made once: a generator function made for each item would leave the heap a hidden class of its own each time.
    const finish = Effect.fnUntraced(function*(
      planned: Planned<In>,
      asked: Effect.Effect<Result.Result<Detailed<A>, ExtractionError.ExtractionError>, never, R>,
      stop: (reason: BatchError.BatchError) => void
    ): Effect.fn.Return<Item<A, In>, BatchError.BatchError, R> {
      const { claim, id, index, input } = planned
      feed?.started(index, id)
      const start = clock.currentTimeMillisUnsafe()
      let detailed = yield* asked
      const latencyMillis = clock.currentTimeMillisUnsafe() - start
      const { attempts, usage } = Result.merge(detailed)
      if (Result.isFailure(detailed) && detailed.failure.isUnrecoverable) {
        feed?.left(index)
        feed?.spent(attempts, usage)
        return yield* runFatal(detailed.failure)
      }
      if (journal !== undefined && claim !== undefined) {
        const commit = (result: typeof detailed) =>
          Effect.flatMap(toRecord(planned, result, latencyMillis), (record) => journal.commit(claim, record))
        let committed = yield* Effect.result(commit(detailed))
        if (Result.isFailure(committed) && !committed.failure.isUnrecoverable) {
          // A single answer that cannot be recorded is the failure of its item.
          detailed = Result.fail(
            new ExtractionError.ExtractionError({
              extraction: compiled.extraction.name,
              reason: new ExtractionError.LimitExceeded({ limit: "maxDepth", maximum: 500 }),
              attempts,
              usage
            })
          )
          committed = yield* Effect.result(commit(detailed))
        }
        // The item is finished in any case, and is delivered.
        if (Result.isFailure(committed)) stop(journalFailure(committed.failure))
      }
      const item: Item<A, In> = {
        index,
        id,
        input,
        result: Result.map(detailed, ({ value }) => value),
        attempts,
        usage,
        latency: Duration.millis(latencyMillis),
        restored: false
      }
      feed?.ended(item)
      const tooMany = countFailure(item)
      if (tooMany !== undefined) stop(tooMany)
      return item
    })

    // Once there is an answer, nothing may come between it and the journal.
    const extract: Handle<A, In, R> = (planned, stop) =>
      Effect.uninterruptibleMask((restore) => finish(planned, restore(Effect.result(ask(planned))), stop))

    if (journal === undefined) return extract

    const restore = Effect.fnUntraced(function*(planned: Planned<In>, claim: Claim) {
      const { id, index, input } = planned
      const record = yield* Effect.mapError(journal.read(claim), journalFailure)
      if (Option.isNone(record)) return undefined
      const result = yield* toResult(compiled, record.value)
      if (Option.isNone(result)) return undefined
      feed?.restored(index, id)
      const { attempts, latencyMillis, usage } = record.value
      const item: Item<A, In> = {
        index,
        id,
        input,
        result: result.value,
        attempts,
        usage,
        latency: Duration.millis(latencyMillis),
        restored: true
      }
      return item
    })

    return (planned, stop) =>
      planned.claim === undefined || planned.claim.status === "new"
        ? extract(planned, stop)
        : Effect.flatMap(
          restore(planned, planned.claim),
          (restored) => restored === undefined ? extract(planned, stop) : Effect.succeed(restored)
        )
  })

/** Counts ended items, and tells when it is enough. */
const makeFailurePolicy = (
  { maxFailures = Infinity, maxFailureShare = 1 }: StreamOptions<never>
): (item: Item<unknown, unknown>) => BatchError.BatchError | undefined => {
  let ended = 0
  let failed = 0
  return ({ result }) => {
    ended++
    if (Result.isSuccess(result)) return undefined
    failed++
    const tooMany = failed >= maxFailures || ended >= minItemsForShare && failed / ended > maxFailureShare
    return tooMany
      ? batchError(new BatchError.TooManyFailures({ failed, ended, last: result.failure }))
      : undefined
  }
}

const errorCodec = Schema.toCodecJson(ExtractionError.ExtractionError)
const encodeError = Schema.encodeEffect(errorCodec)
const decodeError = Schema.decodeUnknownOption(errorCodec)

const toRecord = <A, In>(
  { id, index }: Planned<In>,
  detailed: Result.Result<Detailed<A>, ExtractionError.ExtractionError>,
  latencyMillis: number
): Effect.Effect<JournalRecord> => {
  const { attempts, usage } = Result.merge(detailed)
  const record = { index, id: id ?? null, attempts, usage, latencyMillis }
  return Result.isSuccess(detailed)
    ? Effect.succeed({ ...record, status: "ok", answer: detailed.success.answer })
    : Effect.map(Effect.orDie(encodeError(detailed.failure)), (error) => ({ ...record, status: "error", error }))
}

/** Nothing, if the schema has changed in a way that no request shows and the answer is not valid any more. */
const toResult = <A, Input, R>(
  compiled: Compiled.Compiled<A, Input, R>,
  { answer, error, status }: JournalRecord
): Effect.Effect<Option.Option<Result.Result<A, ExtractionError.ExtractionError>>, never, R> =>
  status === "ok"
    ? Effect.map(Effect.option(compiled.response.decodeElement(answer ?? null)), Option.map((value) => Result.succeed(value)))
    : Effect.succeed(Option.map(decodeError(error), Result.fail))

const batchError = (reason: BatchError.Reason): BatchError.BatchError => new BatchError.BatchError({ reason })

const runFatal = (error: ExtractionError.ExtractionError): BatchError.BatchError =>
  batchError(new BatchError.RunFatal({ error }))

const journalFailure = (error: JournalError): BatchError.BatchError =>
  batchError(new BatchError.JournalFailure({ error }))
