/**
 * The durable record of which items of a batch are done, and with what answer: what a run that was stopped needs to go
 * on where it was, without paying twice.
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
import { Usage } from "../llm/Usage.ts"
import * as RunLock from "./internal/runLock.ts"
import type { JournalError } from "./JournalError.ts"

/**
 * What became of an item.
 *
 * @category models
 * @since 0.1.0
 */
export interface JournalRecord extends Schema.Schema.Type<typeof JournalRecord> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const JournalRecord = Schema.Struct({
  /** The position of the item in the source of the run that recorded it, from 0. */
  index: Schema.Natural,
  /** The user's id of the item, if it has one. */
  id: Schema.NullOr(Schema.String),
  status: Schema.Literals(["ok", "error"]),
  /** The JSON the value was decoded from. */
  answer: Schema.optionalKey(Schema.Json),
  /** The `ExtractionError`, encoded. */
  error: Schema.optionalKey(Schema.Json),
  attempts: Schema.Natural,
  usage: Usage,
  /** How long it took. */
  latencyMillis: Schema.Finite
})

/**
 * An item as a run presents it to its journal.
 *
 * @category models
 * @since 0.1.0
 */
export interface JournalItem {
  /** Its position in this run's source, from 0. */
  readonly index: number
  /** The user's id. Items without one are told apart by their content, equal ones by their number. */
  readonly id: string | undefined
  /** Everything that would change the answer, as canonical text. */
  readonly content: string
}

/**
 * An item a run has taken on, and what the journal knows of it: nothing, or not with this content (`new`), a value
 * (`ok`), a failure (`error`), or that this run has taken on an item of the same id already (`duplicate`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly index: number
  /** What the journal calls the item. */
  readonly key: string
  readonly status: "new" | "ok" | "error" | "duplicate"
}

/**
 * A record as `Journal.records` gives it back.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredRecord {
  readonly record: JournalRecord
  /** Its index in the current run, or `undefined` if this run has not taken on its item. */
  readonly claimedAs: number | undefined
}

/**
 * Keeps one record an item, the last one. A run may use it at a time.
 *
 * @category services
 * @since 0.1.0
 */
export class Journal extends Context.Service<Journal, {
  /** Begins a run, which lasts as long as the scope. */
  readonly begin: Effect.Effect<void, JournalError, Scope.Scope>
  /** Takes on items. */
  readonly claim: (items: ReadonlyArray<JournalItem>) => Effect.Effect<ReadonlyArray<Claim>, JournalError>
  /** Records what became of an item. When it returns, the record survives the end of the process. */
  readonly commit: (claim: Claim, record: JournalRecord) => Effect.Effect<void, JournalError>
  /** The record of an item whose claim says `ok` or `error`; nothing, if it has been spoiled since. */
  readonly read: (claim: Claim) => Effect.Effect<Option.Option<JournalRecord>, JournalError>
  /** Every record, in the order they were written in. */
  readonly records: Stream.Stream<StoredRecord, JournalError>
}>()("effect-instructor/batch/Journal") {}

/**
 * A journal that lasts as long as its layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Journal> = Layer.sync(Journal, () => makeMemory())

const makeMemory = (): Journal["Service"] => {
  interface Entry {
    readonly content: string
    record: JournalRecord | undefined
  }
  const entries = new Map<string, Entry>()
  const claimed = new Map<string, number>()
  const occurrences = new Map<string, number>()
  const lock = RunLock.make("The journal in memory")

  const claim = ({ content, id, index }: JournalItem): Claim => {
    const count = id === undefined ? (occurrences.get(content) ?? 0) + 1 : 0
    if (id === undefined) occurrences.set(content, count)
    const key = id === undefined ? `content ${count} ${content}` : `id ${id}`
    if (claimed.has(key)) return { index, key, status: "duplicate" }
    claimed.set(key, index)
    const entry = entries.get(key)
    if (entry?.content === content && entry.record !== undefined) return { index, key, status: entry.record.status }
    entries.set(key, { content, record: undefined })
    return { index, key, status: "new" }
  }

  return Journal.of({
    begin: Effect.tap(lock, () =>
      Effect.sync(() => {
        claimed.clear()
        occurrences.clear()
      })),
    claim: (items) => Effect.sync(() => items.map(claim)),
    commit: ({ key }, record) =>
      Effect.sync(() => {
        const entry = entries.get(key)!
        // Behind the others, as in a file.
        entries.delete(key)
        entries.set(key, { ...entry, record })
      }),
    read: ({ key }) => Effect.sync(() => Option.fromUndefinedOr(entries.get(key)?.record)),
    records: Stream.suspend(() =>
      Stream.fromIterable(entries).pipe(
        Stream.filterMap(([key, { record }]) =>
          record === undefined ? Result.failVoid : Result.succeed({ record, claimedAs: claimed.get(key) })
        )
      )
    )
  })
}
