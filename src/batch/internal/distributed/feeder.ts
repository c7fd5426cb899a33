/** The process that feeds a distributed batch: it writes chunks, offers references to them, and collects results. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Compiled from "../../../extraction/Compiled.ts"
import type { Extraction } from "../../../extraction/Extraction.ts"
import { ExtractionError, Skipped } from "../../../extraction/ExtractionError.ts"
import * as Digest from "../../../internal/digest.ts"
import { zero } from "../../../llm/Usage.ts"
import type { ResponseSchema } from "../../../schema/ResponseSchema.ts"
import { BatchError, QueueFailure, Superseded, TimedOut } from "../../BatchError.ts"
import type { JournalError } from "../../JournalError.ts"
import { journalFailure, makeFailurePolicy, unrecoverable } from "../errors.ts"
import { type Feed, fromProgress } from "../feed.ts"
import { finished, type Item, notSent, plan, type Planned } from "../item.ts"
import { timeoutOf } from "../options.ts"
import { restore } from "../records.ts"
import { refuseText, toStream } from "../source.ts"
import type { Stored } from "../sql/recordTable.ts"
import * as RecordText from "../sql/recordText.ts"
import { keyOf } from "./chunkJournal.ts"
import * as Fingerprint from "./fingerprint.ts"
import * as Tables from "./jobTable.ts"
import * as Message from "./message.ts"
import type { Options } from "./options.ts"
import type { Parts } from "./parts.ts"
import { currentTrace } from "./trace.ts"

interface Feeder<A, Input, In, R> {
  readonly parts: Parts
  readonly extraction: Extraction<A, Input, R>
  readonly response: ResponseSchema<A, R>
  readonly fingerprint: string
  readonly job: { readonly id: number; readonly name: string }
  readonly queue: PersistedQueue.PersistedQueue<Message.ChunkReference>
  readonly trace: Message.ChunkReference["trace"]
  readonly options: Options<In>
  readonly waiting: Map<number, Waiting>
  chunks: number
  items: number
}

interface Waiting {
  reference: Message.ChunkReference
  readonly ended: Deferred.Deferred<Tables.ChunkState, BatchError>
}

/** A chunk that was fed. */
interface Fed<In> {
  readonly chunk: number
  readonly planned: ReadonlyArray<Planned<In>>
  /** The items that could not be sent to a worker, by their index. */
  readonly errors: ReadonlyMap<number, ExtractionError>
  /** Nothing is left to wait for. */
  readonly isRestored: boolean
  readonly ended: Deferred.Deferred<Tables.ChunkState, BatchError> | undefined
}

const defaultChunkSize = 256
const defaultMaxPending = 64

const queueFailure = (error: PersistedQueue.PersistedQueueError | Schema.SchemaError): BatchError =>
  new BatchError({ reason: new QueueFailure({ description: `The queue failed: ${error.message}` }) })

const inTables = <A>(effect: Effect.Effect<A, JournalError>): Effect.Effect<A, BatchError> =>
  Effect.mapError(effect, journalFailure)

const make = Effect.fnUntraced(function*<A, Input, In extends Input, R>(
  parts: Parts,
  extraction: Extraction<A, Input, R>,
  options: Options<In>
): Effect.fn.Return<Feeder<A, Input, In, R>, BatchError> {
  const response = yield* Effect.mapError(Effect.fromResult(Compiled.response(extraction)), unrecoverable)
  const fingerprint = yield* Effect.mapError(Fingerprint.make(extraction), unrecoverable)
  const name = options.job ?? extraction.name
  const id = yield* inTables(parts.records.journal(name))
  yield* inTables(Tables.openJob(parts.tables, { id, name, extraction: extraction.name, fingerprint }))
  const queue = yield* parts.factory.make({ name: Message.queueOf(fingerprint), schema: Message.ChunkReference })
  return {
    parts,
    extraction,
    response,
    fingerprint,
    job: { id, name },
    queue,
    trace: yield* currentTrace,
    options,
    waiting: new Map(),
    chunks: 0,
    items: 0
  }
})

/** Feeds the chunks of a source. */
const feed = <A, Input, In extends Input, E, R, R2>(
  self: Feeder<A, Input, In, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>
): Stream.Stream<Fed<In>, E | BatchError, R2> => {
  const size = Math.max(1, Math.floor(self.options.chunkSize ?? defaultChunkSize))
  return plan(toStream(source, size), self.extraction.name, self.options).pipe(
    Stream.grouped(size),
    Stream.mapEffect((planned) => feedChunk(self, planned)),
    Stream.concat(Stream.fromEffectDrain(
      Effect.suspend(() => inTables(Tables.fed(self.parts.tables, self.job.id, self.items, self.chunks)))
    ))
  )
}

const feedChunk = Effect.fnUntraced(function*<A, Input, In extends Input, R>(
  self: Feeder<A, Input, In, R>,
  planned: ReadonlyArray<Planned<In>>
): Effect.fn.Return<Fed<In>, BatchError> {
  const { extraction, job, options: { retryFailures = true }, parts: { tables } } = self
  const chunk = self.chunks++
  self.items += planned.length
  const errors = new Map<number, ExtractionError>()
  const rows: Array<Message.AnyRow> = []
  for (const item of planned) {
    const row = Message.toRow(extraction, item)
    if (Result.isFailure(row)) errors.set(item.index, row.failure)
    else rows.push(row.success)
  }
  const prompts = Message.encodeRows(rows)
  const print = (yield* Digest.sha256(`${self.fingerprint} ${prompts}`)).slice(0, 24)
  const fed = { chunk, planned, errors, ended: undefined, isRestored: false }
  if (rows.length === 0) return fed
  const [known] = yield* inTables(Tables.chunkStates(tables, job.id, [chunk]))
  const isSame = known?.print === print
  const runsFailuresAgain = isSame && known.state === Tables.state.done && known.failed > 0 && retryFailures
  if (isSame && known.state === Tables.state.done && !runsFailuresAgain) return { ...fed, isRestored: true }
  let generation: number | undefined = known?.generation
  if (isSame && !runsFailuresAgain) {
    generation = yield* inTables(Tables.reviveChunk(tables, { job: job.id, chunk, print }))
  } else {
    generation = (known?.generation ?? 0) + 1
    yield* inTables(
      Tables.putChunk(tables, { job: job.id, chunk, print, generation }, {
        items: rows.length,
        prompts,
        isNewPass: known !== undefined
      })
    )
  }
  const reference: Message.ChunkReference = {
    job: job.id,
    name: job.name,
    chunk,
    print,
    generation: generation ?? known?.generation ?? 0,
    fingerprint: self.fingerprint,
    ...(self.trace !== undefined && { trace: self.trace })
  }
  const ended = Deferred.makeUnsafe<Tables.ChunkState, BatchError>()
  self.waiting.set(chunk, { reference, ended })
  // Without a new generation, a worker that is alive has the chunk.
  if (generation !== undefined) yield* offer(self, reference)
  return { ...fed, ended }
})

const offer = <A, Input, In, R>(
  { queue }: Feeder<A, Input, In, R>,
  reference: Message.ChunkReference
): Effect.Effect<void, BatchError> =>
  queue.offer(reference, { id: Message.idOf(reference) }).pipe(
    Effect.retry({ times: 30, schedule: retrySchedule }),
    Effect.mapError(queueFailure),
    Effect.asVoid
  )

const retrySchedule = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/** Feeds all chunks, and leaves the results in the tables. */
export const submit = <A, Input, In extends Input, E, R, R2>(
  parts: Parts,
  extraction: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: Options<In>
): Effect.Effect<{ readonly job: string; readonly items: number; readonly chunks: number }, E | BatchError, R2> =>
  Effect.gen(function*() {
    const refused = refuseText(extraction.name, source)
    if (refused !== undefined) return yield* unrecoverable(refused)
    const self = yield* make(parts, extraction, options)
    yield* Stream.runForEach(feed(self, source), ({ chunk }) => Effect.sync(() => void self.waiting.delete(chunk)))
    return { job: self.job.name, items: self.items, chunks: self.chunks }
  })

/** Feeds a source, and emits its items as their chunks are finished. */
export const run = <A, Input, In extends Input, E, R, R2>(
  parts: Parts,
  extraction: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: Options<In>
): Stream.Stream<Item<A, In>, E | BatchError, R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const refused = refuseText(extraction.name, source)
    if (refused !== undefined) return yield* unrecoverable(refused)
    const self = yield* make(parts, extraction, options)
    yield* watch(self)
    const failurePolicy = makeFailurePolicy(options)
    const progress = yield* fromProgress(options.progress)
    const items = feed(self, source).pipe(
      Stream.mapEffect((fed) => collect(self, fed), {
        concurrency: Math.max(1, Math.floor(options.maxPending ?? defaultMaxPending)),
        unordered: options.ordered !== true
      }),
      Stream.flatMap((items) => {
        let stop: BatchError | undefined
        for (const item of items) {
          if (!item.restored) stop ??= failurePolicy(item.result)
          report(progress, item)
        }
        const emitted = Stream.fromArray(
          options.emitRestored === false ? items.filter(({ restored }) => !restored) : items
        )
        return stop === undefined
          ? emitted
          : Stream.concat(emitted, Stream.fromEffectDrain(stopWith(self, stop)))
      })
    )
    const after = timeoutOf(options)
    return after === undefined ? items : Stream.interruptWhen(
      items,
      Effect.andThen(Effect.sleep(after), stopWith(self, new BatchError({ reason: new TimedOut({ after }) })))
    )
  }))

const report = (feed: Feed | undefined, item: Item<unknown, unknown>): void => {
  if (item.restored) feed?.restored(item.index, item.id)
  else feed?.finished(item)
}

/** Workers begin no further chunk of the job. */
const stopWith = <A, Input, In, R>(
  { job, parts }: Feeder<A, Input, In, R>,
  error: BatchError
): Effect.Effect<never, BatchError> =>
  Effect.andThen(Effect.ignore(Tables.stopJob(parts.tables, job.id)), Effect.fail(error))

/** The items of a chunk, once it is finished or given up. */
const collect = Effect.fnUntraced(function*<A, Input, In, R>(
  self: Feeder<A, Input, In, R>,
  { chunk, ended, errors, isRestored, planned }: Fed<In>
): Effect.fn.Return<ReadonlyArray<Item<A, In>>, BatchError, R> {
  const state = ended === undefined
    ? undefined
    : yield* Effect.ensuring(Deferred.await(ended), Effect.sync(() => self.waiting.delete(chunk)))
  const keys = planned.filter(({ index }) => !errors.has(index)).map(({ index }) => keyOf(index))
  const rows = keys.length === 0 ? [] : yield* inTables(self.parts.records.read(self.job.id, keys))
  const found = new Map(rows.map((row) => [row.key, row]))
  const items: Array<Item<A, In>> = []
  for (const item of planned) {
    const error = errors.get(item.index)
    items.push(
      error === undefined
        ? yield* toItem(self, item, found.get(keyOf(item.index)), isRestored, state?.reason ?? undefined)
        : failedItem(item, error)
    )
  }
  return items
})

const toItem = <A, Input, In, R>(
  { extraction, response }: Feeder<A, Input, In, R>,
  item: Planned<In>,
  row: Stored | undefined,
  restored: boolean,
  reason: string | undefined
): Effect.Effect<Item<A, In>, never, R> => {
  const record = row === undefined ? Option.none() : RecordText.decode(row)
  if (Option.isNone(record)) {
    return Effect.succeed(failedItem(
      item,
      reason === undefined
        ? notSent(extraction.name, "The record of this item is missing or was damaged. Run the batch again")
        : new ExtractionError({
          extraction: extraction.name,
          reason: new Skipped({ description: reason }),
          attempts: 0,
          usage: zero
        })
    ))
  }
  return Effect.map(
    restore(extraction, response, record.value),
    ({ result }) => finished(item, { ...record.value, result, restored })
  )
}

const failedItem = <In>(item: Planned<In>, error: ExtractionError): Item<never, In> =>
  finished(item, { result: Result.fail(error), attempts: 0, usage: zero, latencyMillis: 0, restored: false })

const errorCheckMillis = 2_000
const offerAgainMillis = 15_000

/** Looks for chunks that have ended, in one query for all of them. */
const watch = <A, Input, In, R>(self: Feeder<A, Input, In, R>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    let checked = yield* Clock.currentTimeMillis
    let offered = checked
    while (true) {
      yield* Effect.sleep(self.options.pollInterval ?? "200 millis")
      if (self.waiting.size === 0) continue
      const states = yield* inTables(Tables.chunkStates(self.parts.tables, self.job.id, [...self.waiting.keys()]))
      for (const state of states) settle(self, state)
      const now = yield* Clock.currentTimeMillis
      if (now - checked >= errorCheckMillis) {
        checked = now
        yield* checkWorkers(self)
      }
      if (now - offered >= offerAgainMillis) {
        offered = now
        yield* offerAgain(self, states)
      }
    }
  }).pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        for (const { ended } of self.waiting.values()) Deferred.doneUnsafe(ended, Exit.fail(error))
      })
    ),
    Effect.forkScoped,
    Effect.asVoid
  )

const settle = <A, Input, In, R>({ job, waiting }: Feeder<A, Input, In, R>, state: Tables.ChunkState): void => {
  const chunk = waiting.get(state.chunk)
  if (chunk === undefined) return
  if (state.print !== chunk.reference.print) {
    const error = new BatchError({ reason: new Superseded({ job: job.name }) })
    Deferred.doneUnsafe(chunk.ended, Exit.fail(error))
  } else if (state.state >= Tables.state.done) Deferred.doneUnsafe(chunk.ended, Exit.succeed(state))
}

const decodeError = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.toCodecJson(ExtractionError)))

/** Fails if a worker has reported a failure that every item would have, and no other worker is left. */
const checkWorkers = Effect.fnUntraced(function*<A, Input, In, R>(
  { fingerprint, job, parts: { tables } }: Feeder<A, Input, In, R>
): Effect.fn.Return<void, BatchError> {
  const [row] = yield* inTables(Tables.jobs(tables, job.name))
  const error = row?.error === undefined || row.error === null ? Option.none() : decodeError(row.error)
  if (Option.isNone(error)) return
  const workers = yield* inTables(Tables.workers(tables))
  if (!workers.some(({ fingerprints }) => fingerprints.includes(fingerprint))) return yield* unrecoverable(error.value)
})

/** A queue that lost its messages gets them again. One that still has them ignores equal ids. */
const offerAgain = Effect.fnUntraced(function*<A, Input, In, R>(
  self: Feeder<A, Input, In, R>,
  states: ReadonlyArray<Tables.ChunkState>
): Effect.fn.Return<void, BatchError> {
  const alive = new Set((yield* inTables(Tables.workers(self.parts.tables))).map(({ id }) => id))
  for (const { chunk, generation, state, worker } of states) {
    const waiting = self.waiting.get(chunk)
    if (waiting === undefined || state >= Tables.state.done || worker !== null && alive.has(worker)) continue
    waiting.reference = { ...waiting.reference, generation }
    yield* offer(self, waiting.reference)
  }
})
