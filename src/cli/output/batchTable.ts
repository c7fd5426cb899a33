/** Batches as a table of text. */
import * as DateTime from "effect/DateTime"
import type { BatchStatus } from "../../llm/LlmBatch.ts"

const head = ["ID", "STATUS", "DONE", "FAILED", "CREATED", "ENDED", "MODEL"]

export const make = (statuses: ReadonlyArray<BatchStatus>): string => {
  const rows = [head, ...statuses.map(toRow)]
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()}\n`).join("")
}

const toRow = ({ counts, createdAt, endedAt, reference, status }: BatchStatus): ReadonlyArray<string> => [
  reference.id,
  status,
  `${counts.completed}/${counts.total || reference.requests}`,
  String(counts.failed),
  toTime(createdAt),
  toTime(endedAt),
  reference.model || "-"
]

const toTime = (millis: number | null): string =>
  millis === null ? "-" : DateTime.formatIso(DateTime.makeUnsafe(millis)).slice(0, 16).replace("T", " ")
