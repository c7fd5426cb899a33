import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { parseGoDuration, readRetryAfter } from "../../../../src/providers/openai/internal/rateLimit.ts"

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
      const wait = readRetryAfter(new Headers(headers), now)
      return wait === undefined ? undefined : Duration.toMillis(wait)
    }
    assert.strictEqual(millis({ "retry-after-ms": "20", "retry-after": "1" }), 20)
    assert.strictEqual(millis({ "retry-after": "1.5" }), 1500)
    assert.strictEqual(millis({ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }), 30_000)
    assert.strictEqual(millis({ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }), 0)
    assert.strictEqual(millis({ "retry-after": "soon" }), undefined)
    assert.strictEqual(millis({}), undefined)
  })
})
