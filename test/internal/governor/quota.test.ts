import { assert, describe, it } from "@effect/vitest"
import * as Quota from "../../../src/middleware/governor/internal/quota.ts"

const day = (limit: number, remaining: number, resetMillis: number, spent: number, at: number) => {
  const quota = Quota.make("requests", "day")
  Quota.observe(quota, { limit, remaining, resetMillis }, spent, at)
  return quota
}

describe("quota", () => {
  it("stops nothing before it is reported", () => {
    assert.strictEqual(Quota.wait(Quota.make("requests", "day"), 1e9, 1e9, 0), 0)
  })

  it("covers what remains less what was sent since", () => {
    const quota = day(100, 3, 60_000, 7, 1000)
    assert.strictEqual(Quota.left(quota, 7, 1000), 3)
    assert.strictEqual(Quota.left(quota, 9, 1000), 1)
    assert.strictEqual(Quota.wait(quota, 1, 9, 2000), 0)
    assert.strictEqual(Quota.wait(quota, 1, 10, 2000), 59_000)
    assert.strictEqual(Quota.left(quota, 20, 2000), 0)
  })

  it("covers part of a large request not at all", () => {
    assert.strictEqual(Quota.wait(day(1000, 499, 60_000, 1, 0), 500, 1, 0), 60_000)
  })

  it("is unknown after its reset", () => {
    const quota = day(100, 0, 60_000, 7, 0)
    assert.strictEqual(Quota.wait(quota, 1, 7, 59_999), 1)
    assert.strictEqual(Quota.wait(quota, 1, 7, 60_000), 0)
    assert.strictEqual(Quota.left(quota, 7, 60_000), Infinity)
  })

  it("is tried every minute when its reset is unknown", () => {
    assert.strictEqual(Quota.wait(day(100, 0, 0, 7, 0), 1, 7, 0), 60_000)
  })

  it("ignores answers to requests sent before the last one heard of, until it is reset", () => {
    const quota = day(100, 5, 60_000, 9, 0)
    Quota.observe(quota, { limit: 100, remaining: 7, resetMillis: 60_000 }, 7, 10)
    assert.strictEqual(quota.remaining, 5)
    Quota.observe(quota, { limit: 100, remaining: 99, resetMillis: 60_000 }, 8, 60_000)
    assert.strictEqual(quota.remaining, 99)
  })

  it("lets a request larger than the whole quota try when the quota is full", () => {
    assert.strictEqual(Quota.wait(day(100, 100, 60_000, 1, 0), 500, 1, 0), 0)
    assert.strictEqual(Quota.wait(day(100, 99, 60_000, 1, 0), 500, 1, 0), 60_000)
  })
})
