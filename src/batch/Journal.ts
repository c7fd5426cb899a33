/**
 * The durable record of the finished items of a batch and their answers. With it, a run that was interrupted can be
 * resumed without paying for an answer twice.
 *
 * Written by hand: `effect/persistence/PersistedQueue` redelivers unfinished work and forgets finished work, and
 * `effect/eventlog` keeps no index by item. A journal needs the finished items, by the content of their requests.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Exclusive from "../internal/exclusive.ts"
import { Usage } from "../llm/Usage.ts"
import { JournalError, Locked } from "./JournalError.ts"

export {
  /** @since 0.1.0 */
  FileFailure,
  /** @since 0.1.0 */
  InvalidRecord,
  /** @since 0.1.0 */
  JournalError,
  /** @since 0.1.0 */
  Locked,
  /** @since 0.1.0 */
  NotAJournal,
  /** @since 0.1.0 */
  SqlFailure
} from "./JournalError.ts"

/**
 * The schema of `JournalRecord`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JournalRecord = Schema.Struct({
  /** The position of the item in the source of the run that recorded it, from 0. */
  index: Schema.Natural,
  /** The user's id of the item, if it has one. */
  id: Schema.NullOr(Schema.String),
  status: Schema.Literals(["ok", "error"]),
  /** The JSON that the value was decoded from. */
  answer: Schema.optionalKey(Schema.Json),
  /** The encoded `ExtractionError`. */
  error: Schema.optionalKey(Schema.Json),
  attempts: Schema.Natural,
  usage: Usage,
  /** The time from request to value or error. */
  latencyMillis: Schema.Finite
})

/**
 * The outcome of an item.
 *
 * @category models
 * @since 0.1.0
 */
export interface JournalRecord extends Schema.Schema.Type<typeof JournalRecord> {}

/**
 * An item as a run claims it.
 *
 * @category models
 * @since 0.1.0
 */
export interface JournalItem {
  /** Its position in the source of this run, from 0. */
  readonly index: number
  /** The user's id. Items without an id are identified by their content, equal ones by their number. */
  readonly id: string | undefined
  /** Everything that could change the answer, as canonical text. */
  readonly content: string
}

/**
 * An item that a run has claimed, with its status in the journal: unknown, or known with other content (`new`),
 * succeeded (`ok`), failed (`error`), or claimed by this run already (`duplicate`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly index: number
  /** The key of the item and its content. It is the same in every run of the journal. */
  readonly key: string
  readonly status: "new" | "ok" | "error" | "duplicate"
}

/**
 * A record as `records` returns it.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredRecord {
  readonly record: JournalRecord
  /** The index of the item in the current run, or `undefined` if this run has not claimed it. */
  readonly claimedAs: number | undefined
}

/**
 * The schema of `Note`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Note = Schema.Struct({ name: Schema.String, value: Schema.Json })

/**
 * A named value that a journal keeps beside its records.
 *
 * @category models
 * @since 0.1.0
 */
export interface Note extends Schema.Schema.Type<typeof Note> {}

/**
 * A journal: the last record of each item. One run at a time can use it. Implement it to keep records elsewhere.
 *
 * @category services
 * @since 0.1.0
 */
export class Journal extends Context.Service<Journal, {
  /** Begins a run, for the lifetime of the scope. Fails if the journal could not record the answers of the run. */
  readonly begin: Effect.Effect<void, JournalError, Scope.Scope>
  /**
   * How many items a run claims at once, if it has as many. Larger numbers spare round trips.
   *
   * @default 16
   */
  readonly claimSize?: number | undefined
  readonly claim: (items: ReadonlyArray<JournalItem>) => Effect.Effect<ReadonlyArray<Claim>, JournalError>
  /**
   * Records the outcome of an item. When it returns, the record survives the end of the process. After an
   * `InvalidRecord` the journal can still record other items; after other errors the run should stop.
   */
  readonly commit: (claim: Claim, record: JournalRecord) => Effect.Effect<void, JournalError>
  /** The record of an item whose claim has the status `ok` or `error`, or `None` if it was damaged since. */
  readonly read: (claim: Claim) => Effect.Effect<Option.Option<JournalRecord>, JournalError>
  /** All records, in the order in which they were written. */
  readonly records: Stream.Stream<StoredRecord, JournalError>
  /**
   * Keeps a value that is not the record of an item, such as a batch that was submitted. A later value of the same name
   * replaces it, and `null` removes it. When it returns, the value survives the end of the process.
   */
  readonly note: (name: string, value: Schema.Json) => Effect.Effect<void, JournalError>
  /** The last value of every name, in the order in which they were written. */
  readonly notes: Stream.Stream<Note, JournalError>
}>()("effect-instructor/batch/Journal") {}

/**
 * A journal in memory, for the lifetime of its layer. Use it for tests, or to resume batches within one process.
 *
 * **Example** (A run that is resumed)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, Journal } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const run = Batch.resumable(Schema.Struct({ name: Schema.String }), ["I am Ada"])
 *
 * const program = Effect.gen(function*() {
 *   yield* Stream.runDrain(run)
 *   yield* Stream.runDrain(run)
 *   return (yield* MockLlm.requests).length
 * }).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer([{ name: "Ada" }])]))
 *
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Journal> = Layer.sync(Journal, () => makeMemory())

const makeMemory = (): Journal["Service"] => {
  interface Entry {
    readonly content: string
    readonly record: JournalRecord
  }
  const entries = new Map<string, Entry>()
  const claimed = new Map<string, JournalItem>()
  const occurrences = new Map<string, number>()
  const notes = new Map<string, Schema.Json>()
  /** The names of the entries by the keys of their claims, which contain the content. */
  const names = new Map<string, string>()
  const run = Exclusive.make(() =>
    new JournalError({ reason: new Locked({ path: "The journal in memory", holder: "another run of this process" }) })
  )

  const claim = (item: JournalItem): Claim => {
    const { content, id, index } = item
    const count = id === undefined ? (occurrences.get(content) ?? 0) + 1 : 0
    if (id === undefined) occurrences.set(content, count)
    const name = id === undefined ? `content ${count} ${content}` : `id ${id}`
    const key = id === undefined ? name : `${name} ${content}`
    names.set(key, name)
    if (claimed.has(name)) return { index, key, status: "duplicate" }
    claimed.set(name, item)
    const entry = entries.get(name)
    return { index, key, status: entry?.content === content ? entry.record.status : "new" }
  }

  /** Nothing for a record that belongs to other content than the claimed one. */
  const toStored = ([key, { content, record }]: [string, Entry]): Result.Result<StoredRecord, void> => {
    const item = claimed.get(key)
    return item === undefined
      ? Result.succeed({ record, claimedAs: undefined })
      : item.content === content
      ? Result.succeed({ record, claimedAs: item.index })
      : Result.failVoid
  }

  return Journal.of({
    begin: Effect.tap(run, () =>
      Effect.sync(() => {
        claimed.clear()
        occurrences.clear()
        names.clear()
      })),
    claim: (items) => Effect.sync(() => items.map(claim)),
    commit: ({ key }, record) =>
      Effect.sync(() => {
        const name = names.get(key)!
        // The last record written is the last in order, as in a file.
        entries.delete(name)
        entries.set(name, { content: claimed.get(name)!.content, record })
      }),
    read: ({ key }) => Effect.sync(() => Option.fromUndefinedOr(entries.get(names.get(key)!)?.record)),
    records: Stream.suspend(() => Stream.fromIterable(entries).pipe(Stream.filterMap(toStored))),
    note: (name, value) =>
      Effect.sync(() => {
        notes.delete(name)
        if (value !== null) notes.set(name, value)
      }),
    notes: Stream.suspend(() => Stream.fromIterable(Array.from(notes, ([name, value]) => ({ name, value }))))
  })
}
