/** The table of the records of all journals of a database: one row for each item, its last record. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { JournalError } from "../../JournalError.ts"
import { createTables, type Dialect, dialectOf, failure, persistently } from "./database.ts"
import * as Grouped from "./grouped.ts"

/** A record as it is written. */
export interface Row {
  readonly journal: number
  readonly key: string
  /** Of the content that it answers. */
  readonly print: string
  readonly index: number
  readonly isError: boolean
  /** Counts the passes over the items of a batch. */
  readonly pass: number
  /** The record it may replace although that succeeded, by its number. */
  readonly replaces: number | null
  readonly record: string
}

/** What a claim needs of a record. */
export interface Found {
  readonly print: string
  readonly isError: boolean
  readonly pass: number
  /** Grows from record to record. */
  readonly sequence: number
}

export interface Stored {
  readonly key: string
  readonly print: string
  readonly index: number
  readonly isError: boolean
  readonly record: string
}

export interface RecordTable {
  readonly dialect: Dialect
  /** The number of a journal, which is created if there is none of this name. */
  readonly journal: (name: string) => Effect.Effect<number, JournalError>
  readonly find: (
    journal: number,
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<string, Found>, JournalError>
  readonly read: (journal: number, keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Stored>, JournalError>
  /** Reads one record, together with others that are read at the same time. */
  readonly readOne: (row: Pick<Row, "journal" | "key">) => Effect.Effect<Stored | undefined, JournalError>
  /** Writes a record, together with others. A success of the same content stays, unless `replaces` names it. */
  readonly write: (row: Row) => Effect.Effect<void, JournalError>
  /** In the order in which they were written. */
  readonly all: (journal: number) => Stream.Stream<Stored, JournalError>
  readonly remove: (journal: number) => Effect.Effect<void, JournalError>
}

const groupSize = 256
/** Of the texts of records that are written together. */
const groupLength = 4_000_000
const lingerMillis = 10

export const make = Effect.fnUntraced(function*(
  client: SqlClient.SqlClient
): Effect.fn.Return<RecordTable, JournalError, Scope.Scope> {
  const sql = client.withoutTransforms()
  const dialect = yield* dialectOf(sql)
  yield* createTables(sql, dialect, dialect === "pg" ? postgresTables : sqliteTables)
  const run = <A>(operation: string, effect: Effect.Effect<A, SqlError>): Effect.Effect<A, JournalError> =>
    Effect.mapError(persistently(effect), failure(operation))
  const among = (keys: ReadonlyArray<string>) =>
    dialect === "pg" ? sql`= ANY(${keys}::text[])` : sql`IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`

  const read: RecordTable["read"] = (journal, keys) =>
    Effect.map(
      run(
        "read",
        sql`SELECT key, print, idx, status, record FROM effect_instructor_record WHERE journal = ${journal} AND key ${
          among(keys)
        }`
      ),
      (rows) => rows.map(toStored)
    )

  const readOne = yield* Grouped.make({
    size: groupSize,
    linger: 0,
    lanes: 2,
    keyOf: ({ journal, key }: Pick<Row, "journal" | "key">) => `${journal} ${key}`,
    run: (rows) =>
      Effect.map(
        Effect.forEach(
          Object.values(Arr.groupBy(rows, ({ journal }) => String(journal))),
          (some) =>
            Effect.map(
              read(some[0].journal, some.map(({ key }) => key)),
              (found) => [some[0].journal, found] as const
            )
        ),
        (all) => {
          const found = new Map(all.flatMap(([journal, some]) => some.map((row) => [`${journal} ${row.key}`, row])))
          return ({ journal, key }: Pick<Row, "journal" | "key">) => found.get(`${journal} ${key}`)
        }
      )
  })

  const write = yield* Grouped.make({
    size: groupSize,
    weight: { limit: groupLength, of: ({ record }: Row) => record.length },
    linger: lingerMillis,
    lanes: dialect === "pg" ? 2 : 1,
    keyOf: ({ journal, key }) => `${journal} ${key}`,
    run: (rows) =>
      Effect.as(run("written", dialect === "pg" ? insertPostgres(sql, rows) : insertSqlite(sql, rows)), done)
  })

  return {
    dialect,
    journal: (name) =>
      run(
        "opened",
        Effect.andThen(
          sql`INSERT INTO effect_instructor_journal (name) VALUES (${name}) ON CONFLICT (name) DO NOTHING`,
          sql`SELECT id FROM effect_instructor_journal WHERE name = ${name}`
        ).pipe(Effect.map(([row]) => Number(row!["id"])))
      ),
    find: (journal, keys) =>
      Effect.map(
        run(
          "read",
          sql`SELECT key, print, status, pass, seq FROM effect_instructor_record WHERE journal = ${journal} AND key ${
            among(keys)
          }`
        ),
        (rows) => new Map(rows.map((row) => [String(row["key"]), toFound(row)]))
      ),
    read,
    readOne,
    write,
    all: (journal) => dialect === "pg" ? streamed(sql, journal) : paged(sql, journal),
    remove: (journal) =>
      Effect.asVoid(run("removed", sql`DELETE FROM effect_instructor_record WHERE journal = ${journal}`))
  }
})

const done = (): void => {}

const streamed = (sql: SqlClient.SqlClient, journal: number): Stream.Stream<Stored, JournalError> =>
  sql`SELECT key, print, idx, status, record FROM effect_instructor_record WHERE journal = ${journal} ORDER BY seq`
    .stream.pipe(Stream.map(toStored), Stream.mapError(failure("read")))

const pageSize = 500

/** A client for SQLite has one connection, which a stream would keep from all others until its end. */
const paged = (sql: SqlClient.SqlClient, journal: number): Stream.Stream<Stored, JournalError> =>
  Stream.paginate(0, (after: number) =>
    sql`SELECT seq, key, print, idx, status, record FROM effect_instructor_record
      WHERE seq > ${after} AND journal = ${journal} ORDER BY seq LIMIT ${pageSize}`.pipe(
      Effect.mapError(failure("read")),
      Effect.map((rows) => [
        rows.map(toStored),
        rows.length < pageSize ? Option.none() : Option.some(Number(rows.at(-1)!["seq"]))
      ])
    ))

type AnyRow = { readonly [column: string]: unknown }

const toFound = (row: AnyRow): Found => ({
  print: String(row["print"]),
  isError: Number(row["status"]) !== 0,
  pass: Number(row["pass"]),
  sequence: Number(row["seq"])
})

const toStored = (row: AnyRow): Stored => ({
  key: String(row["key"]),
  print: String(row["print"]),
  index: Number(row["idx"]),
  isError: Number(row["status"]) !== 0,
  record: String(row["record"])
})

const insertPostgres = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) =>
  sql`INSERT INTO effect_instructor_record AS r (journal, key, print, idx, status, pass, replaces, record)
    SELECT journal, key, print, idx, status, pass, NULLIF(replaces, 0), record
    FROM unnest(${rows.map(({ journal }) => journal)}::int[], ${rows.map(({ key }) => key)}::text[],
      ${rows.map(({ print }) => print)}::text[], ${rows.map(({ index }) => index)}::bigint[],
      ${rows.map(({ isError }) => isError ? 1 : 0)}::smallint[], ${rows.map(({ pass }) => pass)}::int[],
      ${rows.map(({ replaces }) => replaces ?? 0)}::bigint[], ${rows.map(({ record }) => record)}::text[])
      AS x(journal, key, print, idx, status, pass, replaces, record)
    ON CONFLICT (journal, key) DO UPDATE SET print = excluded.print, idx = excluded.idx, status = excluded.status,
      pass = excluded.pass, replaces = NULL, record = excluded.record,
      seq = nextval(pg_get_serial_sequence('effect_instructor_record', 'seq'))
    WHERE r.status <> 0 OR r.print <> excluded.print OR r.seq = excluded.replaces`

// The number is selected for each row, because it names the row that is written.
const insertSqlite = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => {
  const values = JSON.stringify(
    rows.map(({ index, isError, journal, key, pass, print, record, replaces }) => [
      journal,
      key,
      print,
      index,
      isError ? 1 : 0,
      pass,
      replaces,
      record
    ])
  )
  return sql`INSERT INTO effect_instructor_record (journal, key, print, idx, status, pass, replaces, record)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
    FROM json_each(${values}) WHERE true
    ON CONFLICT (journal, key) DO UPDATE SET print = excluded.print, idx = excluded.idx, status = excluded.status,
      pass = excluded.pass, replaces = NULL, record = excluded.record,
      seq = (SELECT seq + 1 FROM effect_instructor_record WHERE excluded.key <> '' ORDER BY seq DESC LIMIT 1)
    WHERE status <> 0 OR print <> excluded.print OR seq = excluded.replaces`
}

const postgresTables = [
  "CREATE TABLE IF NOT EXISTS effect_instructor_journal (id serial PRIMARY KEY, name text NOT NULL UNIQUE)",
  `CREATE TABLE IF NOT EXISTS effect_instructor_record (
    journal int NOT NULL, key text COLLATE "C" NOT NULL, print text COLLATE "C" NOT NULL,
    seq bigint GENERATED BY DEFAULT AS IDENTITY, idx bigint NOT NULL, status smallint NOT NULL, pass int NOT NULL,
    replaces bigint, record text NOT NULL, PRIMARY KEY (journal, key))`
]

const sqliteTables = [
  "CREATE TABLE IF NOT EXISTS effect_instructor_journal (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
  `CREATE TABLE IF NOT EXISTS effect_instructor_record (
    seq INTEGER PRIMARY KEY, journal INTEGER NOT NULL, key TEXT NOT NULL, print TEXT NOT NULL, idx INTEGER NOT NULL,
    status INTEGER NOT NULL, pass INTEGER NOT NULL, replaces INTEGER, record TEXT NOT NULL, UNIQUE (journal, key))`
]
