/** The progress of a run as text. */
import * as Duration from "effect/Duration"
import type { BatchSnapshot } from "../../batch/BatchProgress.ts"
import type { Usage } from "../../llm/Usage.ts"
import type { Position } from "../input/inputSource.ts"
import * as Format from "./format.ts"
import * as Waiting from "./waiting.ts"

export interface Status {
  readonly snapshot: BatchSnapshot
  /** The number of items; unknown for a pipe that has not ended. */
  readonly total: number | undefined
  readonly isTotalExact: boolean
  readonly isStopping: boolean
  /** Since when there was no answer, if that is long. */
  readonly silence: string | undefined
}

export const status = (
  snapshot: BatchSnapshot,
  position: Position,
  limit: number | undefined,
  isStopping: boolean,
  silence: string | undefined
): Status => {
  const isTotalExact = position.isAtEnd || limit !== undefined && position.rows >= limit
  const { bytes, rows, totalBytes } = position
  const estimate = isTotalExact
    ? rows
    : totalBytes === undefined || bytes === 0
    ? undefined
    : Math.round(rows * Math.max(1, totalBytes / bytes))
  const total = estimate === undefined ? limit : Math.min(estimate, limit ?? Infinity)
  return { snapshot, total, isTotalExact, isStopping, silence }
}

const finished = ({ failed, restored, succeeded }: BatchSnapshot): number => succeeded + failed + restored

/** The time left at the pace so far. */
const eta = ({ snapshot, total }: Status): Duration.Duration | undefined =>
  total === undefined || snapshot.itemsPerSecond === 0
    ? undefined
    : Duration.seconds(Math.max(0, total - finished(snapshot)) / snapshot.itemsPerSecond)

const ofTotal = ({ isTotalExact, total }: Status): string =>
  total === undefined ? "" : `/${isTotalExact ? "" : "~"}${Format.count(total)}`

/** Empty where no price is known. */
const cost = ({ unpriced, usd }: Usage): string =>
  usd === 0 ? "" : `, ${unpriced > 0 ? "more than " : ""}${Format.dollars(usd)}`

const details = ({ isStopping, silence, snapshot }: Status): ReadonlyArray<string> => {
  const { failed, inFlight, restored, retries, usage, waiting } = snapshot
  return [
    ...(restored > 0 ? [`${Format.count(restored)} skipped`] : []),
    `${Format.count(failed)} failed`,
    ...(retries > 0 ? [`${Format.count(retries)} retries`] : []),
    `${Format.short(usage.inputTokens)} tokens in, ${Format.short(usage.outputTokens)} out${cost(usage)}`,
    isStopping ? `stopping, ${inFlight} in flight; press Ctrl-C again to exit now` : `${inFlight} in flight`,
    ...(waiting === undefined ? silence === undefined ? [] : [silence] : [Waiting.waitsFor(waiting)])
  ]
}

const pace = (status: Status): ReadonlyArray<string> => {
  const left = eta(status)
  return [
    `${status.snapshot.itemsPerSecond.toFixed(1)}/s`,
    ...(left === undefined || status.isStopping ? [] : [`${Format.duration(left)} left`])
  ]
}

export const line = (status: Status): string =>
  [`${Format.count(finished(status.snapshot))}${ofTotal(status)} done`, ...pace(status), ...details(status)]
    .join(" · ")

export const bar = (status: Status, columns: number): ReadonlyArray<string> => {
  const { snapshot, total } = status
  const done = finished(snapshot)
  const width = Math.max(10, Math.min(30, columns - 50))
  const share = total === undefined || total === 0 ? undefined : Math.min(1, done / total)
  const drawn = share === undefined
    ? []
    : [`${"█".repeat(Math.floor(share * width)).padEnd(width, "░")} ${String(Math.floor(share * 100)).padStart(3)}%`]
  return [
    [...drawn, `${Format.count(done)}${ofTotal(status)}`, ...pace(status)].join("  "),
    details(status).join(" · ")
  ].map((text) => text.slice(0, columns - 1))
}

/** For a live report, which has the figures of the items themselves. */
export const live = (status: Status): ReadonlyArray<readonly [name: string, value: string]> => {
  const { isStopping, silence, snapshot, total } = status
  const { inFlight, restored, retries, waiting } = snapshot
  const left = eta(status)
  const state = waiting === undefined ? silence : Waiting.waitsFor(waiting)
  return [
    ["Finished", `${Format.count(finished(snapshot))}${total === undefined ? "" : ` of ${ofTotal(status).slice(1)}`}`],
    ["In flight", Format.count(inFlight)],
    ["Items per second", snapshot.itemsPerSecond.toFixed(1)],
    ...(left === undefined || isStopping ? [] : [["Time left", Format.duration(left)] as const]),
    ...(restored > 0 ? [["Skipped", `${Format.count(restored)} (already done)`] as const] : []),
    ...(retries > 0 ? [["Retries", Format.count(retries)] as const] : []),
    ...(state === undefined ? [] : [["State", state] as const]),
    ...(isStopping ? [["Stopping", "no new items"] as const] : [])
  ]
}

export const json = (status: Status): string => {
  const { snapshot, total } = status
  const left = eta(status)
  return JSON.stringify({
    type: "progress",
    ...figures(snapshot),
    total: total ?? null,
    totalIsExact: status.isTotalExact,
    inFlight: snapshot.inFlight,
    etaSeconds: left === undefined ? null : round(Duration.toSeconds(left)),
    waiting: snapshot.waiting === undefined ? null : {
      count: snapshot.waiting.count,
      reason: snapshot.waiting.reason,
      message: snapshot.waiting.message ?? null,
      seconds: snapshot.waiting.wait === undefined ? null : round(Duration.toSeconds(snapshot.waiting.wait))
    },
    stopping: status.isStopping
  })
}

const round = (n: number): number => Math.round(n * 1000) / 1000

const figures = (snapshot: BatchSnapshot) => ({
  succeeded: snapshot.succeeded,
  failed: snapshot.failed,
  failures: snapshot.failures,
  skipped: snapshot.restored,
  attempts: snapshot.attempts,
  retries: snapshot.retries,
  usage: snapshot.usage,
  elapsedSeconds: round(Duration.toSeconds(snapshot.elapsed)),
  itemsPerSecond: round(snapshot.itemsPerSecond)
})

export const summary = (snapshot: BatchSnapshot): string => {
  const { failed, failures, latency, restored, retries, succeeded, usage } = snapshot
  const reasons = Object.entries(failures).map(([reason, count]) => `${reason} ${Format.count(count)}`).join(", ")
  return [
    [
      `${Format.count(succeeded)} succeeded`,
      `${Format.count(failed)} failed${reasons === "" ? "" : ` (${reasons})`}`,
      ...(restored > 0 ? [`${Format.count(restored)} skipped (already done)`] : []),
      `in ${Format.duration(snapshot.elapsed)}`
    ].join(", "),
    [
      `${Format.count(usage.inputTokens)} tokens in, ${Format.count(usage.outputTokens)} out${cost(usage)}`,
      `${Format.count(snapshot.attempts)} ${snapshot.attempts === 1 ? "answer" : "answers"}`,
      ...(retries > 0 ? [`${Format.count(retries)} retries`] : []),
      `latency p50 ${Format.duration(latency.p50)}, p99 ${Format.duration(latency.p99)}`
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
