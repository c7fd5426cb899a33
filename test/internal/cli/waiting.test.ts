import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { BatchProgress } from "effect-instructor"
import * as Waiting from "../../../src/cli/progress/waiting.ts"

const at = (seconds: number, more: Partial<BatchProgress.BatchSnapshot> = {}) =>
  ({
    elapsed: Duration.seconds(seconds),
    succeeded: 0,
    failed: 0,
    restored: 0,
    inFlight: 1,
    ...more
  }) as BatchProgress.BatchSnapshot

describe("waiting", () => {
  it("says who gives no answer, and since when", () => {
    const silence = Waiting.makeSilence("http://host/v1")
    assert.isUndefined(silence(at(0)))
    assert.isUndefined(silence(at(2)))
    assert.strictEqual(silence(at(4)), "no answer from http://host/v1 for 4.0s")
    assert.isUndefined(silence(at(5, { succeeded: 1 })))
    assert.isUndefined(silence(at(7, { succeeded: 1 })))
    assert.strictEqual(silence(at(65, { succeeded: 1 })), "no answer from http://host/v1 for 1m 0s")
    assert.isUndefined(silence(at(70, { succeeded: 1, inFlight: 0 })))
  })

  it("says why requests wait, with the last error on one line", () => {
    assert.strictEqual(
      Waiting.waitsFor({ count: 2, reason: "circuit_open", wait: Duration.seconds(5), message: "no\u001b\nhost" }),
      "2 waiting 5.0s (circuit_open: no host)"
    )
    assert.strictEqual(
      Waiting.waitsFor({ count: 1, reason: "requests", wait: undefined, message: undefined }),
      "1 waiting (requests)"
    )
  })
})
