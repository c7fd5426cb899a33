/**
 * A journal in a SQL database, which many processes can share: PostgreSQL for many machines, or SQLite.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Digest from "../internal/digest.ts"
import * as Exclusive from "../internal/exclusive.ts"
import * as JournalIndex from "../internal/journalIndex.ts"
import * as RecordTable from "./internal/sql/recordTable.ts"
import * as RecordText from "./internal/sql/recordText.ts"
import { type Claim, Journal, type JournalItem } from "./Journal.ts"
import { JournalError, Locked } from "./JournalError.ts"

/**
 * Which of a database's journals to use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The name of the journal. Runs of the same batch share it, in all processes.
   *
   * @default "default"
   */
  readonly name?: string | undefined
}

/**
 * A journal in a SQL database, for `Batch.resumable`. Its tables, `effect_instructor_journal` and
 * `effect_instructor_record`, are created when they are missing.
 *
 * Several processes can use it at the same time. Each skips the items that another has finished. If two have sent the
 * same item, the first success is kept and the second is not written. A late result is kept if there is none yet. While
 * the database is unavailable, statements are retried for one minute.
 *
 * For PostgreSQL, set `plan_cache_mode` to `force_custom_plan` as below: a plan that a connection made while the table
 * was empty would read the whole table for each claim.
 *
 * **Example** (A batch whose journal is in PostgreSQL)
 *
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import { Effect, Layer, Redacted, Schema, Stream } from "effect"
 * import { Batch, SqlJournal } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * const Postgres = PgClient.layer({
 *   url: Redacted.make("postgres://localhost/people"),
 *   startupParameters: { plan_cache_mode: "force_custom_plan" }
 * })
 *
 * export const program = Batch.resumable(Person, ["I am Ada", "I am Alan"]).pipe(
 *   Stream.runForEach((item) => Effect.log(item)),
 *   Effect.provide([
 *     OpenAi.layerConfig(),
 *     SqlJournal.layer({ name: "people" }).pipe(Layer.provide(Postgres))
 *   ])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Journal, JournalError, SqlClient.SqlClient> =>
  Layer.effect(
    Journal,
    Effect.gen(function*() {
      const table = yield* RecordTable.make(yield* SqlClient.SqlClient)
      const name = options?.name ?? "default"
      return make(table, { records: yield* table.journal(name), notes: yield* table.journal(notesOf(name)) }, name)
    })
  )

/**
 * Removes the records of a journal, to start a batch over. Succeeds if the journal does not exist.
 *
 * **Example** (Starting over)
 *
 * ```ts
 * import { SqlJournal } from "effect-instructor"
 *
 * export const restart = SqlJournal.remove({ name: "people" })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const remove = (options?: Options): Effect.Effect<void, JournalError, SqlClient.SqlClient> =>
  Effect.scoped(Effect.gen(function*() {
    const table = yield* RecordTable.make(yield* SqlClient.SqlClient)
    const name = options?.name ?? "default"
    yield* table.remove(yield* table.journal(name))
    yield* table.remove(yield* table.journal(notesOf(name)))
  }))

/** The notes of a journal are the records of another one. */
const notesOf = (name: string): string => `${name} (notes)`

const claimSize = 256
const keyLength = 32
const printLength = 16

/** The text of a claim: the key, the print, and the number of the record that was found with this print. */
const keyOf = (claim: string): string => claim.slice(0, keyLength)
const printOf = (claim: string): string => claim.slice(keyLength, keyLength + printLength)
const replacedBy = (claim: string): number | null =>
  claim.length === keyLength + printLength ? null : Number(claim.slice(keyLength + printLength))

interface Numbers {
  readonly records: number
  readonly notes: number
}

const make = (
  table: RecordTable.RecordTable,
  { notes, records: journal }: Numbers,
  name: string
): Journal["Service"] => {
  let claims = makeClaims()
  const run = Exclusive.make(() =>
    new JournalError({ reason: new Locked({ path: `The journal ${name}`, holder: "another run of this process" }) })
  )

  const claim = Effect.fnUntraced(function*(items: ReadonlyArray<JournalItem>) {
    const named = yield* claims.name(items)
    const found = yield* table.find(journal, named.map(({ key }) => key))
    return named.map(({ index, isDuplicate, key, print }): Claim => {
      if (isDuplicate) return { index, key: key + print, status: "duplicate" }
      const record = found.get(key)
      if (record?.print !== print) {
        claims.claim(key, index, record !== undefined)
        return { index, key: key + print, status: "new" }
      }
      claims.claim(key, index, false)
      return { index, key: `${key}${print}${record.sequence}`, status: record.isError ? "error" : "ok" }
    })
  })

  return Journal.of({
    claimSize,
    begin: Effect.tap(run, () =>
      Effect.sync(() => {
        claims = makeClaims()
      })),
    claim,
    commit: (claim, record) =>
      Effect.flatMap(Effect.fromResult(RecordText.encode(record)), (text) =>
        Effect.andThen(
          table.write({
            journal,
            key: keyOf(claim.key),
            print: printOf(claim.key),
            index: record.index,
            isError: record.status === "error",
            pass: 0,
            replaces: replacedBy(claim.key),
            record: text
          }),
          Effect.sync(() => claims.claim(keyOf(claim.key), claim.index, false))
        )),
    read: (claim) =>
      Effect.map(
        table.readOne({ journal, key: keyOf(claim.key) }),
        (row) => row?.print === printOf(claim.key) ? RecordText.decode(row) : Option.none()
      ),
    records: table.all(journal).pipe(
      Stream.filterMap((row) => {
        const claimedAs = claims.claimedAs(row.key)
        const record = claimedAs === "stale" ? Option.none() : RecordText.decode(row)
        return Option.isNone(record) || claimedAs === "stale"
          ? Result.failVoid
          : Result.succeed({ record: record.value, claimedAs })
      })
    ),
    note: (key, value) =>
      table.write({
        journal: notes,
        key,
        print: "",
        index: 0,
        // What is not a success is replaced.
        isError: true,
        pass: 0,
        replaces: null,
        record: JSON.stringify(value)
      }),
    notes: table.all(notes).pipe(
      Stream.filterMap(({ key, record }) => {
        const value = decodeJson(record)
        return Option.isNone(value) || value.value === null
          ? Result.failVoid
          : Result.succeed({ name: key, value: value.value })
      })
    )
  })
}

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

interface Named {
  readonly index: number
  readonly key: string
  readonly print: string
  readonly isDuplicate: boolean
}

/** The claims of a run, in a hash table that takes a few bytes for each. */
const makeClaims = () => {
  const table = JournalIndex.make(1024)
  /** The number of claims with equal content, where there are several. */
  const occurrences = new Map<string, number>()
  const slotOf = (key: string): number => table.slotOf({ high: word(key, 0), middle: word(key, 8), low: word(key, 16) })

  const isTaken = (key: string, taken: ReadonlySet<string>): boolean => taken.has(key) || table.isClaimed(slotOf(key))

  const name = Effect.fnUntraced(function*(items: ReadonlyArray<JournalItem>) {
    const contents = yield* Digest.sha256All(items.map(({ content }) => content))
    const ids = yield* Digest.sha256All(items.map(({ id }) => id === undefined ? "" : `id ${id}`))
    const taken = new Set<string>()
    const named: Array<Named> = []
    for (const [at, { id, index }] of items.entries()) {
      const content = contents[at]!
      const print = content.slice(-printLength)
      let key = (id === undefined ? content : ids[at]!).slice(0, keyLength)
      if (id === undefined && isTaken(key, taken)) {
        const count = (occurrences.get(key) ?? 1) + 1
        occurrences.set(key, count)
        key = (yield* Digest.sha256(`${count} ${content}`)).slice(0, keyLength)
      }
      named.push({ index, key, print, isDuplicate: isTaken(key, taken) })
      taken.add(key)
    }
    return named
  })

  return {
    name,
    claim: (key: string, index: number, isStale: boolean): void => table.claim(slotOf(key), index, isStale),
    claimedAs: (key: string): number | "stale" | undefined => {
      const slot = slotOf(key)
      return !table.isClaimed(slot) ? undefined : table.isStale(slot) ? "stale" : table.indexAt(slot)
    }
  }
}

const word = (key: string, at: number): number => Number.parseInt(key.slice(at, at + 8), 16)
