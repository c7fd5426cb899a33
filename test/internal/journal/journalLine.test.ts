import { assert, describe, it } from "@effect/vitest"
import { Option, Result, type Schema } from "effect"
import { type Journal, Usage } from "effect-instructor"
import * as JournalLine from "../../../src/node/journal/internal/journalLine.ts"
import { decodeRecord } from "../../../src/node/journal/internal/scan.ts"

const key = "0123456789abcdef01234567fedcba9876543210"

const record: Journal.JournalRecord = {
  index: 12,
  id: "é 🙂 \"quoted\"\n",
  status: "error",
  error: { text: "x" },
  attempts: 2,
  usage: Usage.zero,
  latencyMillis: 1.5
}

const lineOf = (record: Journal.JournalRecord): Uint8Array => {
  const bytes = Buffer.from(Result.getOrThrow(JournalLine.format(key, record)))
  JournalLine.seal(bytes, 0, bytes.length - 1)
  return bytes.subarray(0, -1)
}

const parse = (line: Uint8Array) => JournalLine.parsePrefix(line, 0, line.length)

const nested = (depth: number): Schema.Json =>
  depth === 0 ? 1 : depth % 2 === 0 ? [nested(depth - 1)] : { a: nested(depth - 1) }

describe("journalLine", () => {
  it("reads what it has written", () => {
    const line = lineOf(record)
    assert.deepStrictEqual(parse(line), { ...JournalLine.parseKey(key), index: 12, status: 2 })
    assert.deepStrictEqual(decodeRecord(line), Option.some(record))
    assert.include(new TextDecoder().decode(line), `"index":12,"status":"error"`)
  })

  it("finds every flipped bit, every swap of two bytes, and every cut", () => {
    const line = lineOf(record)
    const isDamaged = (damaged: Uint8Array) => {
      assert.isUndefined(parse(damaged))
    }
    for (let bit = 0; bit < line.length * 8; bit++) {
      const damaged = line.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      isDamaged(damaged)
    }
    for (let at = 1; at < line.length; at++) {
      const damaged = line.slice()
      damaged[at] = line[at - 1]!
      damaged[at - 1] = line[at]!
      if (line[at] !== line[at - 1]) isDamaged(damaged)
      isDamaged(line.subarray(0, at))
      isDamaged(line.subarray(at))
    }
  })

  it("refuses a record that is nested too deep or too long, and none other", () => {
    assert.isTrue(Result.isSuccess(JournalLine.format(key, { ...record, answer: nested(500) })))
    assert.deepStrictEqual(decodeRecord(lineOf({ ...record, answer: nested(500) })).pipe(Option.isSome), true)
    const refused = (record: Journal.JournalRecord) => Result.getOrThrow(Result.flip(JournalLine.format(key, record)))
    assert.include(refused({ ...record, answer: nested(501) }), "nested deeper than 500 levels")
    let deep: Schema.Json = 1
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    assert.include(refused({ ...record, answer: deep }), "nested deeper")
    assert.include(refused({ ...record, error: deep }), "nested deeper")
    assert.include(refused({ ...record, answer: "x".repeat(64 * 1024 * 1024) }), "longer than")
  })
})
