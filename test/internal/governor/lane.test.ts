import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { type Completion, LlmError } from "effect-instructor"
import { AiError } from "effect/ai"
import type { Waiting } from "../../../src/middleware/governor/internal/fairQueue.ts"
import * as Lane from "../../../src/middleware/governor/internal/lane.ts"
import * as RateLimits from "../../../src/middleware/governor/internal/rateLimits.ts"

const cost = { inputTokens: 100, outputTokens: 50 }

const make = (limits: { readonly requestsPerMinute?: number; readonly tokensPerMinute?: number } = {}) =>
  Lane.make("m", { requestsPerMinute: limits.requestsPerMinute, tokensPerMinute: limits.tokensPerMinute }, 0)

const send = (lane: Lane.Lane<Waiting>, at: number): Lane.Mark => {
  Lane.limited(lane, cost, at)
  return Lane.spend(lane, cost, at)
}

const refusal = (fields: Partial<Pick<LlmError.LlmError, "limit" | "rateLimits">> = {}) =>
  new LlmError.LlmError({ provider: "test", reason: new AiError.RateLimitError({}), ...fields })

const window = (
  unit: Completion.RateLimitWindow["unit"],
  limit: number,
  remaining: number,
  resetMillis = 0,
  period: Completion.RateLimitWindow["period"] = "minute"
): Completion.RateLimitWindow => ({ unit, period, limit, remaining, resetAfter: Duration.millis(resetMillis) })

/** Sends a request that is answered. */
const answer = (lane: Lane.Lane<Waiting>, at: number, windows?: ReadonlyArray<Completion.RateLimitWindow>) => {
  const mark = send(lane, at)
  Lane.returned(lane, mark)
  Lane.answered(lane, cost, windows, mark, at)
}

/** Sends a request that is refused. */
const refuse = (lane: Lane.Lane<Waiting>, at: number, error = refusal()): boolean => {
  const mark = send(lane, at)
  Lane.returned(lane, mark)
  return Lane.refused(lane, error, mark, at)
}

const shareAt = (lane: Lane.Lane<Waiting>, at: number): number => {
  Lane.limited(lane, cost, at)
  return lane.share
}

describe("lane", () => {
  it("names the limit that has no room for the longest time", () => {
    const lane = make({ requestsPerMinute: 60, tokensPerMinute: 3000 })
    send(lane, 0)
    // 150 tokens at 50 a second
    assert.deepStrictEqual(Lane.limited(lane, cost, 0), { reason: "tokens", until: 3000 })
    assert.deepStrictEqual(Lane.limited(lane, { inputTokens: 1, outputTokens: 0 }, 0)?.reason, "tokens")
    assert.deepStrictEqual(Lane.limited(lane, cost, 2_900)?.reason, "tokens")
    assert.isUndefined(Lane.limited(lane, cost, 3000))
  })

  it("counts requests, all tokens, and the tokens of prompts and answers", () => {
    assert.deepStrictEqual(
      (["requests", "tokens", "inputTokens", "outputTokens"] as const).map((unit) => RateLimits.amount(unit, 1, cost)),
      [1, 150, 100, 50]
    )
  })

  describe("after a refusal", () => {
    it("is paused until the given time", () => {
      const lane = make()
      lane.pausedUntil = 1000
      assert.deepStrictEqual(Lane.paused(lane, 999), { reason: "rate_limited", until: 1000 })
      assert.isUndefined(Lane.paused(lane, 1000))
    })

    it("uses a fifth less of its limits when the refusal reports none, and more with time", () => {
      const lane = make({ requestsPerMinute: 600 })
      assert.isFalse(refuse(lane, 0))
      assert.strictEqual(lane.share, 0.8)
      const shares = [1, 2, 3].map((minute) => shareAt(lane, minute * 60_000))
      assert.isTrue(shares[0]! > 0.83 && shares[0]! < 0.9, String(shares))
      assert.isAbove(shares[1]!, shares[0]!)
      assert.strictEqual(shareAt(lane, 5 * 60_000), 1)
    })

    it("uses half of its limits when they grew too fast, and half as much again after a quarter of an hour", () => {
      const lane = make({ requestsPerMinute: 600 })
      refuse(lane, 0, refusal({ limit: "growth" }))
      assert.strictEqual(lane.share, 0.5)
      assert.approximately(shareAt(lane, 15 * 60_000), 0.75, 0.001)
    })

    it("uses its limits fully when the refusal reports the one that explains it", () => {
      const lane = make()
      assert.isTrue(refuse(lane, 0, refusal({ rateLimits: [window("requests", 600, 0)] })))
      assert.strictEqual(lane.share, 1)
    })

    it("uses its limits fully when a quota explains the refusal", () => {
      const lane = make({ requestsPerMinute: 600 })
      assert.isTrue(refuse(lane, 0, refusal({ rateLimits: [window("requests", 100, 0, 3_600_000, "day")] })))
      assert.strictEqual(lane.share, 1)
      assert.deepStrictEqual(Lane.limited(lane, cost, 1000), { reason: "quota", until: 3_600_000 })
    })

    it("uses less of its limits when the reported one is full again in a moment", () => {
      const lane = make()
      answer(lane, 0, [window("requests", 600, 540, 100)])
      assert.isFalse(refuse(lane, 1000, refusal({ rateLimits: [window("requests", 600, 0, 1000)] })))
      assert.strictEqual(lane.share, 0.8)
    })

    it("is cut once for all refusals of one burst", () => {
      const lane = make()
      const marks = Array.from({ length: 10 }, () => send(lane, 0))
      for (const mark of marks) Lane.refused(lane, refusal(), mark, 100)
      assert.deepStrictEqual([lane.episode, lane.refusals, lane.share], [1, 1, 0.8])
    })

    it("is cut once while nothing is answered in between", () => {
      const lane = make()
      for (let at = 0; at < 10; at++) refuse(lane, at)
      assert.isAtLeast(lane.share, 0.8)
      assert.strictEqual(lane.refusals, 10)
      answer(lane, 10)
      refuse(lane, 11)
      assert.isBelow(lane.share, 0.7)
    })

    it("never uses less than a tenth of its limits", () => {
      const lane = make()
      for (let at = 0; at < 200; at += 2) {
        refuse(lane, at)
        answer(lane, at + 1)
      }
      assert.isAtLeast(lane.share, 0.1)
    })

    it("tries with one request at a time from the second episode without an answer on", () => {
      const lane = make()
      refuse(lane, 0)
      send(lane, 1)
      assert.isUndefined(Lane.paused(lane, 1))
      refuse(lane, 1)
      // Those sent before the refusal do not count.
      assert.isUndefined(Lane.paused(lane, 2))
      const mark = send(lane, 2)
      assert.deepStrictEqual(Lane.paused(lane, 3), { reason: "rate_limited", until: 60_002 })
      assert.isUndefined(Lane.paused(lane, 60_002))
      Lane.returned(lane, mark)
      assert.isUndefined(Lane.paused(lane, 4))
      Lane.answered(lane, cost, undefined, mark, 4)
      send(lane, 5)
      assert.isUndefined(Lane.paused(lane, 5))
    })

    it("is in trouble since the first refusal, until a request is answered", () => {
      const lane = make()
      refuse(lane, 5)
      refuse(lane, 9)
      assert.strictEqual(lane.trouble?.since, 5)
      answer(lane, 10)
      assert.isUndefined(lane.trouble)
    })
  })

  describe("the pause", () => {
    const pauses = (serverMillis: number | undefined, random: number) =>
      [1, 2, 3, 7, 20].map((refusals) => Lane.pauseMillis({ ...make(), refusals }, serverMillis, random))

    it("doubles from half a second up to half a minute when the server asks for none", () => {
      assert.deepStrictEqual(pauses(undefined, 0.5), [500, 1000, 2000, 30_000, 30_000])
    })

    it("is as long as the server asks", () => {
      assert.deepStrictEqual(pauses(5000, 0), [5000, 5000, 5000, 5000, 24_000])
    })

    it("is never shorter than a backoff from 50 milliseconds up to half a minute", () => {
      assert.deepStrictEqual(pauses(0, 0.5), [50, 100, 200, 3200, 30_000])
    })

    it("has a jitter of a fifth in both directions when the governor chooses it", () => {
      assert.deepStrictEqual(pauses(undefined, 0), [400, 800, 1600, 24_000, 24_000])
      assert.deepStrictEqual(pauses(undefined, 1), [600, 1200, 2400, 36_000, 36_000])
    })

    it("is up to a tenth longer than the server asks, never shorter", () => {
      assert.deepStrictEqual([0, 0.5, 1].map((random) => pauses(10_000, random)[0]), [10_000, 10_500, 11_000])
    })
  })

  describe("a limit that only a refusal reports", () => {
    const limitsOf = (lane: Lane.Lane<Waiting>) => RateLimits.known(lane.limits, 1e9).map(({ limit }) => limit)

    it("is not believed where the window is full again long before the minute is over", () => {
      const lane = make()
      assert.isFalse(refuse(lane, 0, refusal({ rateLimits: [window("requests", 60, 0, 1000)] })))
      assert.deepStrictEqual(limitsOf(lane), [])
    })

    it("is not believed where more was answered lately than it allows", () => {
      const lane = make()
      for (let i = 0; i < 67; i++) answer(lane, i)
      assert.isFalse(refuse(lane, 67, refusal({ rateLimits: [window("requests", 60, 0)] })))
      assert.isTrue(refuse(lane, 68, refusal({ rateLimits: [window("requests", 70, 0)] })))
    })

    it("of tokens may be exceeded twice by our own count", () => {
      const lane = make()
      for (let i = 0; i < 10; i++) answer(lane, i)
      assert.isTrue(refuse(lane, 10, refusal({ rateLimits: [window("tokens", 800, 0)] })))
      assert.isFalse(refuse(make(), 10, refusal({ rateLimits: [window("tokens", 0, 0)] })))
    })

    it("is believed where answers reported it before", () => {
      const lane = make()
      answer(lane, 0, [window("requests", 60, 59)])
      for (let i = 0; i < 100; i++) answer(lane, i + 1, [window("requests", 60, 0)])
      assert.isTrue(refuse(lane, 200, refusal({ rateLimits: [window("requests", 60, 0)] })))
    })

    it("may be exceeded by what was answered more than two minutes ago", () => {
      const lane = make()
      for (let i = 0; i < 500; i++) answer(lane, i)
      answer(lane, 60_001)
      answer(lane, 120_002)
      answer(lane, 180_003)
      assert.isTrue(refuse(lane, 180_004, refusal({ rateLimits: [window("requests", 60, 0)] })))
    })

    it("is forgotten when more is answered than it allows", () => {
      const lane = make()
      const marks = Array.from({ length: 80 }, () => send(lane, 0))
      Lane.refused(lane, refusal({ rateLimits: [window("requests", 60, 0)] }), marks[0]!, 1)
      assert.strictEqual(limitsOf(lane).length, 1)
      for (const mark of marks.slice(1)) Lane.answered(lane, cost, undefined, mark, 2)
      assert.deepStrictEqual(limitsOf(lane), [])
    })

    it("outlasts answers that report nothing", () => {
      const lane = make()
      refuse(lane, 0, refusal({ rateLimits: [window("requests", 6000, 0)] }))
      for (let i = 0; i < 20; i++) answer(lane, i)
      assert.strictEqual(limitsOf(lane).length, 1)
    })
  })

  it("forgets limits and quotas after five answers in a row that report none", () => {
    const lane = make({ requestsPerMinute: 600 })
    answer(lane, 0, [window("tokens", 6000, 5000), window("requests", 10, 9, 1000, "day")])
    for (let i = 1; i < 5; i++) answer(lane, i)
    assert.strictEqual(RateLimits.known(lane.limits, 5).length, 3)
    answer(lane, 5)
    assert.deepStrictEqual(RateLimits.known(lane.limits, 5), [
      { unit: "requests", period: "minute", limit: 600, remaining: undefined }
    ])
  })

  it("clamps durations from servers", () => {
    const millis = (duration: Duration.Duration | undefined) => RateLimits.toMillis(duration)
    assert.isUndefined(millis(undefined))
    assert.strictEqual(millis(Duration.seconds(-5)), 0)
    assert.strictEqual(millis(Duration.millis(1500)), 1500)
    const tenYears = 10 * 365 * 86_400_000
    assert.strictEqual(millis(Duration.millis(1e308)), tenYears)
    assert.strictEqual(millis(Duration.infinity), tenYears)
  })
})
