/** The state of distributed batches. `BatchQueue` exports the public part. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { JournalError } from "../../JournalError.ts"
import * as Tables from "./jobTable.ts"
import type { ChunkReference } from "./message.ts"

/**
 * A worker that is alive.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerStatus {
  readonly id: string
  /** Items since it began. */
  readonly succeeded: number
  readonly failed: number
  readonly inFlight: number
  /** Why it leaves chunks to others, if it does. */
  readonly note: string | undefined
}

/**
 * The state of a distributed batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobStatus {
  readonly job: string
  /** The name of its extraction. */
  readonly extraction: string
  /** `feeding` while items are added, `running` until all are finished, and `stopped` when it has failed. */
  readonly state: "feeding" | "running" | "finished" | "stopped"
  /** Items that were fed so far. */
  readonly items: number
  readonly succeeded: number
  readonly failed: number
  /** Items of chunks that are not finished. */
  readonly waiting: number
  /** Items of chunks that were given up. */
  readonly dead: number
  /** Items of finished chunks in the last minute, per second. */
  readonly itemsPerSecond: number
  /** Until all items that were fed are finished, where the rate is known. */
  readonly remaining: Duration.Duration | undefined
  readonly usd: number
  readonly tokens: number
  /** The last unrecoverable failure that a worker reported. */
  readonly error: string | undefined
  /** The workers that are alive and have its extraction. */
  readonly workers: ReadonlyArray<WorkerStatus>
}

/**
 * A chunk that was given up.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter {
  readonly job: string
  readonly chunk: number
  readonly items: number
  /** How often it was begun. */
  readonly attempts: number
  readonly reason: string
}

export const status = (
  tables: Tables.Tables,
  name: string | undefined
): Effect.Effect<ReadonlyArray<JobStatus>, JournalError> =>
  Effect.gen(function*() {
    const jobs = yield* Tables.jobs(tables, name)
    const workers = yield* Tables.workers(tables)
    return yield* Effect.forEach(jobs, (job) =>
      Effect.map(totals(tables, job.id), (totals): JobStatus => {
        const waiting = totals.pending + totals.running
        const itemsPerSecond = totals.recent / 60
        return {
          job: job.name,
          extraction: job.extraction,
          state: job.isStopped || job.error !== null
            ? "stopped"
            : !job.isFed
            ? "feeding"
            : waiting > 0
            ? "running"
            : "finished",
          items: job.isFed ? job.items : totals.items,
          succeeded: totals.succeeded,
          failed: totals.failed,
          waiting,
          dead: totals.dead,
          itemsPerSecond,
          remaining: waiting === 0
            ? Duration.zero
            : itemsPerSecond === 0
            ? undefined
            : Duration.seconds(waiting / itemsPerSecond),
          usd: totals.usd,
          tokens: totals.tokens,
          error: job.error ?? undefined,
          workers: workers.filter(({ fingerprints }) => fingerprints.includes(job.fingerprint)).map(toWorker)
        }
      }))
  })

const toWorker = ({ failed, id, inFlight, note, succeeded }: Tables.WorkerRow): WorkerStatus => ({
  id,
  succeeded,
  failed,
  inFlight,
  note: note ?? undefined
})

const totals = ({ now, run, sql }: Tables.Tables, job: number) =>
  Effect.map(
    run(
      "read",
      sql`SELECT COALESCE(SUM(items), 0) AS items, COALESCE(SUM(succeeded), 0) AS succeeded,
          COALESCE(SUM(failed), 0) AS failed, COALESCE(SUM(usd), 0) AS usd, COALESCE(SUM(tokens), 0) AS tokens,
          COALESCE(SUM(CASE WHEN state = 0 THEN items END), 0) AS pending,
          COALESCE(SUM(CASE WHEN state = 1 THEN items END), 0) AS running,
          COALESCE(SUM(CASE WHEN state = 3 THEN items END), 0) AS dead,
          COALESCE(SUM(CASE WHEN state = 2 AND changed > ${now} - 60000 THEN items END), 0) AS recent
        FROM effect_instructor_chunk WHERE job = ${job}`
    ),
    ([row]) => {
      const of = (name: string): number => Number(row?.[name] ?? 0)
      return {
        items: of("items"),
        succeeded: of("succeeded"),
        failed: of("failed"),
        usd: of("usd"),
        tokens: of("tokens"),
        pending: of("pending"),
        running: of("running"),
        dead: of("dead"),
        recent: of("recent")
      }
    }
  )

export const deadLetters = (
  { run, sql }: Tables.Tables,
  job: string
): Effect.Effect<ReadonlyArray<DeadLetter>, JournalError> =>
  Effect.map(
    run(
      "read",
      sql`SELECT c.chunk, c.items, c.attempts, c.reason FROM effect_instructor_chunk c
        JOIN effect_instructor_job j ON j.id = c.job
        WHERE j.name = ${job} AND c.state = ${Tables.state.dead} ORDER BY c.chunk`
    ),
    (rows) =>
      rows.map((row) => ({
        job,
        chunk: Number(row["chunk"]),
        items: Number(row["items"]),
        attempts: Number(row["attempts"]),
        reason: String(row["reason"])
      }))
  )

/** Makes chunks that were given up pending again, and returns their messages. */
export const revive = (
  { now, run, sql }: Tables.Tables,
  job: string
): Effect.Effect<ReadonlyArray<ChunkReference>, JournalError> =>
  Effect.map(
    run(
      "written",
      sql`UPDATE effect_instructor_chunk SET state = ${Tables.state.pending}, generation = generation + 1,
          attempts = 0, worker = NULL, reason = NULL, changed = ${now}
        WHERE state = ${Tables.state.dead} AND job IN (SELECT id FROM effect_instructor_job WHERE name = ${job})
        RETURNING job, chunk, print, generation,
          (SELECT fingerprint FROM effect_instructor_job WHERE name = ${job}) AS fingerprint`
    ),
    (rows) =>
      rows.map((row) => ({
        job: Number(row["job"]),
        name: job,
        chunk: Number(row["chunk"]),
        print: String(row["print"]),
        generation: Number(row["generation"]),
        fingerprint: String(row["fingerprint"])
      }))
  )

export const removeJob = ({ run, sql }: Tables.Tables, job: number): Effect.Effect<void, JournalError> =>
  Effect.asVoid(run(
    "removed",
    Effect.andThen(
      sql`DELETE FROM effect_instructor_chunk WHERE job = ${job}`,
      sql`DELETE FROM effect_instructor_job WHERE id = ${job}`
    )
  ))
