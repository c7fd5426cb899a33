import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { parseGoDuration, readRetryAfter, readWindows } from "../../../src/providers/internal/rateLimit.ts"

describe("rate limit headers", () => {
  it("contain durations as Go prints them", () => {
    const millis = (text: string) => {
      const duration = parseGoDuration(text)
      return duration === undefined ? undefined : Duration.toMillis(duration)
    }
    assert.deepStrictEqual(
      ["12ms", "9ms", "1s", "1.5s", "6m0s", "1h2m3s", "1d", "0s", "", "5", "1s!", "-1s"].map(millis),
      [12, 9, 1000, 1500, 360_000, 3_723_000, 86_400_000, 0, undefined, undefined, undefined, undefined]
    )
  })

  it("accept retry-after in all its forms", () => {
    const now = Date.UTC(2026, 0, 1)
    const millis = (headers: Record<string, string>) => {
      const wait = readRetryAfter(headers, now)
      return wait === undefined ? undefined : Duration.toMillis(wait)
    }
    assert.strictEqual(millis({ "retry-after-ms": "20", "retry-after": "1" }), 20)
    assert.strictEqual(millis({ "retry-after": "1.5" }), 1500)
    assert.strictEqual(millis({ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }), 30_000)
    assert.strictEqual(millis({ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }), 0)
    assert.strictEqual(millis({ "retry-after": "soon" }), undefined)
    assert.strictEqual(millis({}), undefined)
  })

  const maxMillis = Duration.toMillis(Duration.days(31))

  it("clamp a delay to between nothing and 31 days", () => {
    const now = Date.UTC(2026, 0, 1)
    const millis = (headers: Record<string, string>) =>
      Duration.toMillis(readRetryAfter(headers, now) ?? Duration.infinity)
    for (const value of ["1e308", "Infinity", "99999999999999999999"]) {
      assert.strictEqual(millis({ "retry-after": value }), maxMillis)
      assert.strictEqual(millis({ "retry-after-ms": value }), maxMillis)
    }
    for (const value of ["-1", "-1e308", "-Infinity", "0"]) {
      assert.strictEqual(millis({ "retry-after": value }), 0)
      assert.strictEqual(millis({ "retry-after-ms": value }), 0)
    }
    assert.strictEqual(millis({ "retry-after": "Fri, 31 Dec 9999 23:59:59 GMT" }), maxMillis)
    assert.strictEqual(millis({ "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }), 0)
  })

  it("clamp the numbers of a rate limit", () => {
    const windows = (limit: string, remaining: string, reset: string) =>
      readWindows(
        {
          "x-ratelimit-limit-tokens": limit,
          "x-ratelimit-remaining-tokens": remaining,
          "x-ratelimit-reset-tokens": reset
        }
      )
    const window = { unit: "tokens", period: "minute" }
    assert.deepStrictEqual<unknown>(windows("1e308", "1e308", "1e308"), [
      {
        ...window,
        limit: Number.MAX_SAFE_INTEGER,
        remaining: Number.MAX_SAFE_INTEGER,
        resetAfter: Duration.millis(maxMillis)
      }
    ])
    assert.deepStrictEqual<unknown>(windows("10", "20", `${"9".repeat(400)}s`), [
      { ...window, limit: 10, remaining: 10, resetAfter: Duration.millis(maxMillis) }
    ])
    assert.deepStrictEqual<unknown>(windows("10", "5", "-1"), [
      { ...window, limit: 10, remaining: 5, resetAfter: Duration.zero }
    ])
    for (const [limit, remaining] of [["0", "0"], ["-1", "-1"], ["10", "-1"], ["ten", "1"], ["", ""], ["NaN", "1"]]) {
      assert.isUndefined(windows(limit!, remaining!, "1s"))
    }
  })
})
