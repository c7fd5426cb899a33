/** A worker: takes references to chunks from the queue while it has room, and runs their items. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as Extraction from "../../../extraction/Extraction.ts"
import { ExtractionError } from "../../../extraction/ExtractionError.ts"
import { totalTokens } from "../../../llm/Usage.ts"
import type { BatchError } from "../../BatchError.ts"
import * as Direct from "../engines/direct.ts"
import { journalFailure, unrecoverable } from "../errors.ts"
import type { Item } from "../item.ts"
import { graceOf, toLimit } from "../options.ts"
import * as Run from "../run.ts"
import * as ChunkJournal from "./chunkJournal.ts"
import * as Fingerprint from "./fingerprint.ts"
import { heartbeat } from "./heartbeat.ts"
import * as Tables from "./jobTable.ts"
import * as Message from "./message.ts"
import type { Parts } from "./parts.ts"
import { parentOf } from "./trace.ts"
import { metrics } from "./workerMetrics.ts"
import { randomId } from "./workerName.ts"
import type { AnyExtraction, Options } from "./workerOptions.ts"

/** An extraction of the rows of chunks. */
type RowExtraction = Extraction.Extraction<unknown, Message.Row, unknown>

export interface Worker {
  readonly id: string
  readonly parts: Parts
  readonly options: Options
  readonly concurrency: number
  /** The names and fingerprints of its extractions. */
  readonly extractions: ReadonlyArray<{ readonly name: string; readonly fingerprint: string }>
  readonly permits: Semaphore.Semaphore
  /** The first failure that ends the worker. */
  readonly ended: Deferred.Deferred<void, BatchError>
  /** Open while there is room for another chunk. */
  readonly room: Latch.Latch
  /** Items of its chunks that are not finished. */
  held: number
  inFlight: number
  succeeded: number
  failed: number
  isDraining: boolean
  /** Counts what it does, to find out whether it is idle. */
  activity: number
  note: string | null
}

/** Of the message alone: crashes are counted here, so that those of every store lead to the same list. */
const neverDeadInStore = 1_000_000

/** More than enough for chunks of 16 items. */
const maxLanes = 64

export const run = (
  parts: Parts,
  extractions: ReadonlyArray<AnyExtraction>,
  options: Options
): Effect.Effect<void, BatchError, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const prepared = yield* Effect.forEach(extractions, (extraction) =>
      Effect.map(
        Effect.mapError(Fingerprint.make(extraction), unrecoverable),
        (fingerprint) => ({ name: extraction.name, fingerprint, extraction: Message.ofRows(extraction) })
      ))
    const concurrency = toLimit(options.concurrency)
    const self: Worker = {
      id: options.id ?? (yield* randomId),
      parts,
      options,
      concurrency,
      extractions: prepared,
      permits: Semaphore.makeUnsafe(concurrency === Infinity ? Number.MAX_SAFE_INTEGER : concurrency),
      ended: Deferred.makeUnsafe(),
      room: Latch.makeUnsafe(true),
      held: 0,
      inFlight: 0,
      succeeded: 0,
      failed: 0,
      isDraining: false,
      activity: 0,
      note: null
    }
    yield* heartbeat(self)
    // Before the lanes end, so that no item begins while they drain.
    const lanes = yield* Effect.forEach(prepared, (one) => startLanes(self, one, prepared.length))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        self.isDraining = true
      })
    )
    yield* Effect.onExit(
      Effect.raceFirst(Deferred.await(self.ended), idle(self)),
      () => {
        self.isDraining = true
        return Fiber.interruptAll(lanes.flat())
      }
    )
  })).pipe(Effect.annotateLogs({ module: "effect-instructor/BatchWorker" }))

const idle = (self: Worker): Effect.Effect<void> =>
  self.options.idleTimeout === undefined ? Effect.never : Effect.gen(function*() {
    let before = -1
    while (self.held > 0 || self.activity !== before) {
      before = self.activity
      yield* Effect.sleep(self.options.idleTimeout!)
    }
  })

interface Prepared {
  readonly name: string
  readonly fingerprint: string
  readonly extraction: RowExtraction
}

const startLanes = Effect.fnUntraced(function*(self: Worker, prepared: Prepared, queues: number) {
  const queue = yield* self.parts.factory.make({
    name: Message.queueOf(prepared.fingerprint),
    schema: Message.ChunkReference,
    maxAttempts: neverDeadInStore,
    retrySchedule
  })
  // One lane waits for a chunk at a time, so that no worker takes more than it has room for.
  const turn = Semaphore.makeUnsafe(1)
  const count = Math.min(maxLanes, Math.ceil(self.concurrency / 16) + 1, queues === 1 ? maxLanes : 8)
  return yield* Effect.forEach(
    Array.from({ length: count }),
    () => Effect.forkScoped(Effect.forever(lane(self, prepared, queue, turn)))
  )
})

const retrySchedule = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("10 seconds")])

/** Takes a chunk when there is room for it, and runs it. */
const lane = (
  self: Worker,
  prepared: Prepared,
  queue: PersistedQueue.PersistedQueue<Message.ChunkReference>,
  turn: Semaphore.Semaphore
): Effect.Effect<void, never, unknown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      yield* restore(turn.take(1))
      let hasTurn = true
      const pass = Effect.suspend(() => {
        if (!hasTurn) return Effect.void
        hasTurn = false
        return Effect.asVoid(turn.release(1))
      })
      yield* restore(Effect.andThen(
        self.room.await,
        queue.take((reference, { attempts }) => {
          self.activity++
          return runChunk(self, prepared, reference, attempts, pass)
        })
      )).pipe(
        Effect.ensuring(pass),
        // The queue is away, or the chunk was refused or failed in a way that is worth another try.
        Effect.catchCause((cause) =>
          self.isDraining
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.andThen(
              Cause.hasInterruptsOnly(cause)
                ? Effect.void
                : Effect.logWarning("A chunk could not be taken or finished. Trying again", cause),
              restore(Effect.sleep("1 second"))
            )
        )
      )
    })
  )

const setHeld = (self: Worker, change: number): void => {
  self.held += change
  // The next chunk arrives while the last items of this one are in flight.
  if (self.held < self.concurrency * 1.25) self.room.openUnsafe()
  else self.room.closeUnsafe()
}

const runChunk = (
  self: Worker,
  prepared: Prepared,
  reference: Message.ChunkReference,
  attempts: number,
  pass: Effect.Effect<void>
): Effect.Effect<void, never, unknown> =>
  Effect.gen(function*() {
    const { parts: { tables } } = self
    if (reference.fingerprint !== prepared.fingerprint) {
      yield* Effect.logWarning(
        `Refused a chunk of ${reference.name}: it was made for another version of ${prepared.name}`
      )
      return yield* Effect.interrupt
    }
    if (attempts > (self.options.maxAttempts ?? 5)) {
      const reason = `The chunk was begun ${attempts - 1} times, and each time its worker ended without finishing it`
      yield* Tables.giveUpChunk(tables, reference, reason)
      yield* Effect.logError(reason)
      return
    }
    const begun = yield* Tables.beginChunk(tables, reference, self.id, attempts)
    // Out of date, finished, or stopped.
    if (begun === undefined) return
    const rows = Message.rowsOf(prepared.extraction, begun.prompts)
    if (Option.isNone(rows)) return yield* Tables.giveUpChunk(tables, reference, "The prompts of the chunk are damaged")
    yield* runRows(self, prepared, reference, { rows: rows.value, pass: begun.pass }, pass)
  }).pipe(
    Effect.catch((error) => {
      const batchError = error._tag === "JournalError" ? journalFailure(error) : error
      return Effect.andThen(
        report(self, reference, batchError),
        // Interrupted by the end of the worker: the chunk is given back, and no attempt is used.
        Effect.andThen(Effect.sync(() => Deferred.doneUnsafe(self.ended, Exit.fail(batchError))), Effect.never)
      )
    }),
    Effect.annotateLogs({ worker: self.id, job: reference.name, chunk: reference.chunk }),
    Effect.withSpan("BatchWorker.chunk", {
      attributes: { worker: self.id, job: reference.name, chunk: reference.chunk, attempt: attempts },
      ...parentOf(reference.trace)
    })
  )

const encodeError = Schema.encodeOption(Schema.fromJsonString(Schema.toCodecJson(ExtractionError)))

const report = (self: Worker, { job }: Message.ChunkReference, { reason }: BatchError): Effect.Effect<void> => {
  const error = reason._tag === "Unrecoverable" ? encodeError(reason.error) : Option.none()
  return Option.isNone(error)
    ? Effect.void
    : Effect.ignore(Tables.reportError(self.parts.tables, job, error.value))
}

const runRows = Effect.fnUntraced(function*(
  self: Worker,
  { extraction }: Prepared,
  reference: Message.ChunkReference,
  chunk: { readonly rows: ReadonlyArray<Message.Row>; readonly pass: number },
  pass: Effect.Effect<void>
) {
  const { options, parts: { records, tables } } = self
  const { pass: passNumber, rows } = chunk
  let left = rows.length
  const outcome = { succeeded: 0, failed: 0, usd: 0, tokens: 0 }
  setHeld(self, left)
  yield* pass
  const engine = (run: Run.Run<unknown, Message.Row, Message.Row, unknown>) => limited(self, Direct.items(run))
  yield* Run.run(
    extraction,
    rows,
    {
      concurrency: Math.min(self.concurrency, Math.max(1, rows.length)),
      grace: graceOf({ grace: options.grace }),
      retryFailures: false,
      id: ({ id }) => id
    },
    ChunkJournal.make(records, { job: reference.job, pass: passNumber }),
    engine,
    ({ index }) => index
  ).pipe(
    Stream.runForEachArray((items) =>
      Effect.sync(() => {
        for (const item of items) count(self, item, outcome)
        left -= items.length
        setHeld(self, -items.length)
      })
    ),
    Effect.ensuring(Effect.sync(() => setHeld(self, -left)))
  )
  yield* Tables.endChunk(tables, reference, outcome)
  yield* Metric.update(Metric.withAttributes(metrics.chunks, { job: reference.name }), 1)
  const items = Metric.withAttributes(metrics.items, { job: reference.name, status: "ok" })
  yield* Metric.update(items, outcome.succeeded)
  yield* Metric.update(Metric.withAttributes(metrics.items, { job: reference.name, status: "error" }), outcome.failed)
})

/** Adds up a chunk. What an earlier attempt has recorded was paid for by that one, and is counted here. */
const count = (
  self: Worker,
  { restored, result, usage }: Item<unknown, unknown>,
  outcome: { succeeded: number; failed: number; usd: number; tokens: number }
): void => {
  const isSuccess = Result.isSuccess(result)
  if (isSuccess) outcome.succeeded++
  else outcome.failed++
  outcome.usd += usage.usd
  outcome.tokens += totalTokens(usage)
  if (restored) return
  if (isSuccess) self.succeeded++
  else self.failed++
}

const nothing = Effect.as(Effect.void, undefined)

/** All chunks of a worker share its places. A worker that drains begins no item that waits for one. */
const limited =
  <Out>(self: Worker, handle: Run.Handle<Out, Message.Row, unknown>): Run.Handle<Out, Message.Row, unknown> =>
  (item, control, turn) =>
    self.permits.withPermit(Effect.suspend(() => {
      if (self.isDraining) return nothing
      self.inFlight++
      return Effect.ensuring(
        handle(item, control, turn),
        Effect.sync(() => {
          self.inFlight--
        })
      )
    }))
