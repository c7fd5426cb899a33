/** The tables that the processes of distributed batches share: jobs, their chunks, and workers. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { JournalError } from "../../JournalError.ts"
import { createTables, type Dialect, failure, persistently } from "../sql/database.ts"

export const state = { pending: 0, running: 1, done: 2, dead: 3 } as const

/** A chunk, as the process that feeds it sees it. */
export interface ChunkState {
  readonly chunk: number
  readonly print: string
  readonly generation: number
  readonly state: number
  readonly failed: number
  readonly worker: string | null
  readonly reason: string | null
}

export interface ChunkKey {
  readonly job: number
  readonly chunk: number
  readonly print: string
  readonly generation: number
}

export interface JobRow {
  readonly id: number
  readonly name: string
  readonly extraction: string
  readonly fingerprint: string
  readonly isFed: boolean
  readonly isStopped: boolean
  readonly items: number
  readonly begun: number
  readonly error: string | null
}

export interface WorkerRow {
  readonly id: string
  readonly fingerprints: string
  readonly begun: number
  readonly seen: number
  readonly succeeded: number
  readonly failed: number
  readonly inFlight: number
  readonly note: string | null
}

export type Row = { readonly [column: string]: unknown }

export interface Tables {
  readonly sql: SqlClient.SqlClient
  readonly dialect: Dialect
  readonly run: <A>(operation: string, effect: Effect.Effect<A, SqlError>) => Effect.Effect<A, JournalError>
  /** The time of the database in milliseconds, as an expression. */
  readonly now: ReturnType<SqlClient.SqlClient["literal"]>
  readonly among: (values: ReadonlyArray<number>) => ReturnType<SqlClient.SqlClient["literal"]>
}

export const make = Effect.fnUntraced(function*(
  client: SqlClient.SqlClient,
  dialect: Dialect
): Effect.fn.Return<Tables, JournalError> {
  const sql = client.withoutTransforms()
  yield* createTables(sql, dialect, tables)
  return {
    sql,
    dialect,
    run: (operation, effect) => Effect.mapError(persistently(effect), failure(operation)),
    now: sql.literal(
      dialect === "pg"
        ? "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
        : "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    ),
    // Numbers, which need no quotes.
    among: (values) => sql.literal(`(${values.length === 0 ? "NULL" : values.map(Number).join(",")})`)
  }
})

const tables = [
  `CREATE TABLE IF NOT EXISTS effect_instructor_job (
    id bigint PRIMARY KEY, name text NOT NULL UNIQUE, extraction text NOT NULL, fingerprint text NOT NULL,
    fed int NOT NULL, stopped int NOT NULL, items bigint NOT NULL, begun bigint NOT NULL, error text)`,
  `CREATE TABLE IF NOT EXISTS effect_instructor_chunk (
    job bigint NOT NULL, chunk bigint NOT NULL, print text NOT NULL, generation int NOT NULL, pass int NOT NULL,
    state int NOT NULL, items int NOT NULL, prompts text, succeeded int NOT NULL, failed int NOT NULL,
    attempts int NOT NULL, usd double precision NOT NULL, tokens bigint NOT NULL, worker text, changed bigint NOT NULL,
    reason text, PRIMARY KEY (job, chunk))`,
  `CREATE TABLE IF NOT EXISTS effect_instructor_worker (
    id text PRIMARY KEY, fingerprints text NOT NULL, begun bigint NOT NULL, seen bigint NOT NULL,
    succeeded bigint NOT NULL, failed bigint NOT NULL, in_flight int NOT NULL, note text)`
]

/** How long a worker that says nothing counts as alive. */
const aliveMillis = 10_000

export const openJob = (
  { now, run, sql }: Tables,
  job: { readonly id: number; readonly name: string; readonly extraction: string; readonly fingerprint: string }
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    sql`INSERT INTO effect_instructor_job (id, name, extraction, fingerprint, fed, stopped, items, begun, error)
      VALUES (${job.id}, ${job.name}, ${job.extraction}, ${job.fingerprint}, 0, 0, 0, ${now}, NULL)
      ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, extraction = excluded.extraction, fed = 0,
        stopped = 0, error = NULL, begun = excluded.begun`
  ))

export const fed = (
  { run, sql }: Tables,
  job: number,
  items: number,
  chunks: number
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    Effect.andThen(
      sql`UPDATE effect_instructor_job SET fed = 1, items = ${items} WHERE id = ${job}`,
      // A source that became shorter.
      sql`DELETE FROM effect_instructor_chunk WHERE job = ${job} AND chunk >= ${chunks}`
    )
  ))

export const stopJob = ({ run, sql }: Tables, job: number): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run("written", sql`UPDATE effect_instructor_job SET stopped = 1 WHERE id = ${job}`))

export const reportError = (
  { run, sql }: Tables,
  job: number,
  error: string
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run("written", sql`UPDATE effect_instructor_job SET error = ${error} WHERE id = ${job}`))

export const jobs = ({ run, sql }: Tables, name?: string): Effect.Effect<ReadonlyArray<JobRow>, JournalError> =>
  Effect.map(
    run(
      "read",
      name === undefined
        ? sql`SELECT * FROM effect_instructor_job ORDER BY begun`
        : sql`SELECT * FROM effect_instructor_job WHERE name = ${name}`
    ),
    (rows) => rows.map(toJob)
  )

const toJob = (row: Row): JobRow => ({
  id: Number(row["id"]),
  name: String(row["name"]),
  extraction: String(row["extraction"]),
  fingerprint: String(row["fingerprint"]),
  isFed: Number(row["fed"]) === 1,
  isStopped: Number(row["stopped"]) === 1,
  items: Number(row["items"]),
  begun: Number(row["begun"]),
  error: textOf(row["error"])
})

const textOf = (value: unknown): string | null => typeof value === "string" ? value : null

export const chunkStates = (
  { among, run, sql }: Tables,
  job: number,
  chunks: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<ChunkState>, JournalError> =>
  Effect.map(
    run(
      "read",
      sql`SELECT chunk, print, generation, state, failed, worker, reason FROM effect_instructor_chunk
        WHERE job = ${job} AND chunk IN ${among(chunks)}`
    ),
    (rows) =>
      rows.map((row) => ({
        chunk: Number(row["chunk"]),
        print: String(row["print"]),
        generation: Number(row["generation"]),
        state: Number(row["state"]),
        failed: Number(row["failed"]),
        worker: textOf(row["worker"]),
        reason: textOf(row["reason"])
      }))
  )

/** Writes a chunk to be worked on. `pass` grows when failed items are to run again. */
export const putChunk = (
  { now, run, sql }: Tables,
  { chunk, generation, job, print }: ChunkKey,
  { isNewPass, items, prompts }: { readonly items: number; readonly prompts: string; readonly isNewPass: boolean }
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    sql`INSERT INTO effect_instructor_chunk AS c (job, chunk, print, generation, pass, state, items, prompts, succeeded,
        failed, attempts, usd, tokens, worker, changed, reason)
      VALUES (${job}, ${chunk}, ${print}, ${generation}, 0, ${state.pending}, ${items}, ${prompts}, 0, 0, 0, 0, 0, NULL,
        ${now}, NULL)
      ON CONFLICT (job, chunk) DO UPDATE SET print = excluded.print, generation = excluded.generation,
        pass = c.pass + ${isNewPass ? 1 : 0}, state = excluded.state, items = excluded.items,
        prompts = excluded.prompts, worker = NULL, changed = excluded.changed, reason = NULL`
  ))

/** Begins a chunk, unless its message is out of date, it is finished, or its job was stopped. */
export const beginChunk = (
  { now, run, sql }: Tables,
  { chunk, generation, job, print }: ChunkKey,
  worker: string,
  attempts: number
): Effect.Effect<{ readonly prompts: string; readonly pass: number } | undefined, JournalError> =>
  Effect.map(
    run(
      "written",
      sql`UPDATE effect_instructor_chunk SET state = ${state.running}, worker = ${worker}, attempts = ${attempts},
          changed = ${now}
        WHERE job = ${job} AND chunk = ${chunk} AND print = ${print} AND generation = ${generation}
          AND state <= ${state.running}
          AND EXISTS (SELECT 1 FROM effect_instructor_job WHERE id = ${job} AND stopped = 0)
        RETURNING prompts, pass`
    ),
    ([row]) => row === undefined ? undefined : { prompts: textOf(row["prompts"]) ?? "[]", pass: Number(row["pass"]) }
  )

export interface ChunkOutcome {
  readonly succeeded: number
  readonly failed: number
  readonly usd: number
  readonly tokens: number
}

export const endChunk = (
  { now, run, sql }: Tables,
  { chunk, generation, job, print }: ChunkKey,
  outcome: ChunkOutcome
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    sql`UPDATE effect_instructor_chunk SET state = ${state.done}, prompts = NULL, succeeded = ${outcome.succeeded},
        failed = ${outcome.failed}, usd = usd + ${outcome.usd}, tokens = tokens + ${outcome.tokens}, changed = ${now}
      WHERE job = ${job} AND chunk = ${chunk} AND print = ${print} AND generation = ${generation}`
  ))

export const giveUpChunk = (
  { now, run, sql }: Tables,
  { chunk, generation, job, print }: ChunkKey,
  reason: string
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    sql`UPDATE effect_instructor_chunk SET state = ${state.dead}, reason = ${reason}, changed = ${now}
      WHERE job = ${job} AND chunk = ${chunk} AND print = ${print} AND generation = ${generation}
        AND state <= ${state.running}`
  ))

export const saveWorker = (
  { now, run, sql }: Tables,
  worker: Omit<WorkerRow, "begun" | "seen">
): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    sql`INSERT INTO effect_instructor_worker (id, fingerprints, begun, seen, succeeded, failed, in_flight, note)
      VALUES (${worker.id}, ${worker.fingerprints}, ${now}, ${now}, ${worker.succeeded}, ${worker.failed},
        ${worker.inFlight}, ${worker.note})
      ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, succeeded = excluded.succeeded, failed = excluded.failed,
        in_flight = excluded.in_flight, note = excluded.note`
  ))

/** Removes a worker that ends, and those that have been silent for an hour. */
export const removeWorker = ({ now, run, sql }: Tables, id: string): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "written",
    sql`DELETE FROM effect_instructor_worker WHERE id = ${id} OR seen < ${now} - 3600000`
  ))

/** The workers that have been heard of within the last seconds. */
export const workers = ({ now, run, sql }: Tables): Effect.Effect<ReadonlyArray<WorkerRow>, JournalError> =>
  Effect.map(
    run("read", sql`SELECT * FROM effect_instructor_worker WHERE seen > ${now} - ${aliveMillis} ORDER BY begun, id`),
    (rows) =>
      rows.map((row) => ({
        id: String(row["id"]),
        fingerprints: String(row["fingerprints"]),
        begun: Number(row["begun"]),
        seen: Number(row["seen"]),
        succeeded: Number(row["succeeded"]),
        failed: Number(row["failed"]),
        inFlight: Number(row["in_flight"]),
        note: textOf(row["note"])
      }))
  )

/**
 * Makes a chunk that no living worker has pending again, and returns its new generation: the message of the old one may
 * be lost.
 */
export const reviveChunk = (
  { now, run, sql }: Tables,
  { chunk, job, print }: Omit<ChunkKey, "generation">
): Effect.Effect<number | undefined, JournalError> =>
  Effect.map(
    run(
      "written",
      sql`UPDATE effect_instructor_chunk SET state = ${state.pending}, generation = generation + 1, worker = NULL,
          reason = NULL, changed = ${now}
        WHERE job = ${job} AND chunk = ${chunk} AND print = ${print} AND state <> ${state.done} AND (
          state <> ${state.running} OR worker NOT IN (
            SELECT id FROM effect_instructor_worker WHERE seen > ${now} - ${aliveMillis}))
        RETURNING generation`
    ),
    ([row]) => row === undefined ? undefined : Number(row["generation"])
  )
