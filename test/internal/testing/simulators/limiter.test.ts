import { assert, describe, it } from "@effect/vitest"
import * as Limiter from "../../../../src/testing/simulators/internal/limiter.ts"

describe("the limiter", () => {
  const make = (limits: Partial<Limiter.Limits>) =>
    Limiter.make({ requestsPerMinute: undefined, tokensPerMinute: undefined, quantised: false, ...limits })

  it("is a bucket with the capacity of one minute, refilled continuously", () => {
    const limiter = make({ tokensPerMinute: 6000 })
    assert.strictEqual(limiter.admit(6000, 0)._tag, "Granted")
    assert.deepStrictEqual(limiter.admit(500, 1000), {
      _tag: "Refused",
      kind: "tokens",
      limit: 6000,
      used: 5900,
      requested: 500,
      waitMillis: 4000
    })
    assert.strictEqual(limiter.admit(500, 4999)._tag, "Refused")
    assert.strictEqual(limiter.admit(500, 5000)._tag, "Granted")
  })

  it("debits nothing for a request that it refuses", () => {
    const limiter = make({ requestsPerMinute: 1, tokensPerMinute: 100 })
    assert.strictEqual(limiter.admit(50, 0)._tag, "Granted")
    for (let i = 0; i < 10; i++) assert.strictEqual(limiter.admit(10, 1)._tag, "Refused")
    assert.strictEqual(limiter.headers(1)["x-ratelimit-remaining-tokens"], "50")
  })

  it("limits requests by the second when quantised", () => {
    const limiter = make({ requestsPerMinute: 600, quantised: true })
    const granted = (at: number) =>
      Array.from({ length: 20 }, () => limiter.admit(1, at)).filter(({ _tag }) => _tag === "Granted")
    assert.strictEqual(granted(0).length, 10)
    assert.strictEqual(granted(1000).length, 10)
  })

  it("formats durations as Go does", () => {
    assert.deepStrictEqual([0, 12, 999, 1000, 1500, 60_000, 62_500].map(Limiter.goDuration), [
      "0ms",
      "12ms",
      "999ms",
      "1s",
      "1.5s",
      "1m0s",
      "1m2.5s"
    ])
  })
})
