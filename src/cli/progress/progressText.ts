/** Where a run stands, in words. */
import * as Duration from "effect/Duration"
import type { BatchSnapshot } from "../../batch/BatchProgress.ts"
import type { Usage } from "../../llm/Usage.ts"
import type { Position } from "../input/inputSource.ts"
import * as Words from "./words.ts"

export interface Standing {
  readonly snapshot: BatchSnapshot
  /** Items there are to do; unknown for a pipe that has not ended. */
  readonly total: number | undefined
  readonly isTotalExact: boolean
  readonly isStopping: boolean
}

export const standing = (
  snapshot: BatchSnapshot,
  position: Position,
  limit: number | undefined,
  isStopping: boolean
): Standing => {
  const isTotalExact = position.isAtEnd || limit !== undefined && position.rows >= limit
  const { bytes, rows, totalBytes } = position
  const estimate = isTotalExact
    ? rows
    : totalBytes === undefined || bytes === 0
    ? undefined
    : Math.round(rows * Math.max(1, totalBytes / bytes))
  const total = estimate === undefined ? limit : Math.min(estimate, limit ?? Infinity)
  return { snapshot, total, isTotalExact, isStopping }
}

const ended = ({ failed, ok, restored }: BatchSnapshot): number => ok + failed + restored

/** Time left at the pace so far. */
const eta = ({ snapshot, total }: Standing): Duration.Duration | undefined =>
  total === undefined || snapshot.itemsPerSecond === 0
    ? undefined
    : Duration.seconds(Math.max(0, total - ended(snapshot)) / snapshot.itemsPerSecond)

const ofTotal = ({ isTotalExact, total }: Standing): string =>
  total === undefined ? "" : `/${isTotalExact ? "" : "~"}${Words.count(total)}`

/** Where a price is known. */
const cost = ({ unpriced, usd }: Usage): string =>
  usd === 0 ? "" : `, ${unpriced > 0 ? "more than " : ""}${Words.dollars(usd)}`

const details = ({ isStopping, snapshot }: Standing): ReadonlyArray<string> => {
  const { failed, inFlight, restored, retries, usage, waiting } = snapshot
  return [
    ...(restored > 0 ? [`${Words.count(restored)} from the journal`] : []),
    `${Words.count(failed)} failed`,
    ...(retries > 0 ? [`${Words.count(retries)} retries`] : []),
    `${Words.short(usage.inputTokens)} tokens in, ${Words.short(usage.outputTokens)} out${cost(usage)}`,
    isStopping ? `stopping: ${inFlight} to finish, Ctrl-C leaves now` : `${inFlight} in flight`,
    ...(waiting === undefined
      ? []
      : [
        `${waiting.count} waiting${
          waiting.wait === undefined ? "" : ` ${Words.duration(waiting.wait)}`
        } (${waiting.reason})`
      ])
  ]
}

const pace = (standing: Standing): ReadonlyArray<string> => {
  const left = eta(standing)
  return [
    `${standing.snapshot.itemsPerSecond.toFixed(1)}/s`,
    ...(left === undefined || standing.isStopping ? [] : [`${Words.duration(left)} left`])
  ]
}

export const line = (standing: Standing): string =>
  [`${Words.count(ended(standing.snapshot))}${ofTotal(standing)} done`, ...pace(standing), ...details(standing)]
    .join(" · ")

export const bar = (standing: Standing, columns: number): string => {
  const { snapshot, total } = standing
  const done = ended(snapshot)
  const width = Math.max(10, Math.min(30, columns - 50))
  const share = total === undefined || total === 0 ? undefined : Math.min(1, done / total)
  const drawn = share === undefined
    ? []
    : [`${"█".repeat(Math.floor(share * width)).padEnd(width, "░")} ${String(Math.floor(share * 100)).padStart(3)}%`]
  return [
    [...drawn, `${Words.count(done)}${ofTotal(standing)}`, ...pace(standing)].join("  "),
    details(standing).join(" · ")
  ].map((text) => text.slice(0, columns - 1)).join("\n")
}

export const json = (standing: Standing): string => {
  const { snapshot, total } = standing
  const left = eta(standing)
  return JSON.stringify({
    type: "progress",
    ...figures(snapshot),
    total: total ?? null,
    totalIsExact: standing.isTotalExact,
    inFlight: snapshot.inFlight,
    etaSeconds: left === undefined ? null : round(Duration.toSeconds(left)),
    waiting: snapshot.waiting === undefined ? null : {
      count: snapshot.waiting.count,
      reason: snapshot.waiting.reason,
      seconds: snapshot.waiting.wait === undefined ? null : round(Duration.toSeconds(snapshot.waiting.wait))
    },
    stopping: standing.isStopping
  })
}

const round = (n: number): number => Math.round(n * 1000) / 1000

const figures = (snapshot: BatchSnapshot) => ({
  ok: snapshot.ok,
  failed: snapshot.failed,
  failures: snapshot.failures,
  restored: snapshot.restored,
  attempts: snapshot.attempts,
  retries: snapshot.retries,
  usage: snapshot.usage,
  elapsedSeconds: round(Duration.toSeconds(snapshot.elapsed)),
  itemsPerSecond: round(snapshot.itemsPerSecond)
})

export const summary = (snapshot: BatchSnapshot): string => {
  const { failed, failures, latency, ok, restored, retries, usage } = snapshot
  const reasons = Object.entries(failures).map(([reason, count]) => `${reason} ${Words.count(count)}`).join(", ")
  return [
    [
      `${Words.count(ok)} done`,
      `${Words.count(failed)} failed${reasons === "" ? "" : ` (${reasons})`}`,
      ...(restored > 0 ? [`${Words.count(restored)} done before`] : []),
      `in ${Words.duration(snapshot.elapsed)}`
    ].join(", "),
    [
      `${Words.count(usage.inputTokens)} tokens in, ${Words.count(usage.outputTokens)} out${cost(usage)}`,
      `${Words.count(snapshot.attempts)} answers`,
      ...(retries > 0 ? [`${Words.count(retries)} retries`] : []),
      `half within ${Words.duration(latency.p50)}, 99 % within ${Words.duration(latency.p99)}`
    ].join(", ")
  ].join("\n")
}

export const summaryJson = (snapshot: BatchSnapshot, end: {
  readonly outcome: string
  readonly lines: number
  readonly errorLines: number
}): string =>
  JSON.stringify({
    type: "summary",
    ...end,
    ...figures(snapshot),
    latencySeconds: {
      p50: round(Duration.toSeconds(snapshot.latency.p50)),
      p90: round(Duration.toSeconds(snapshot.latency.p90)),
      p99: round(Duration.toSeconds(snapshot.latency.p99)),
      max: round(Duration.toSeconds(snapshot.latency.max))
    }
  })
