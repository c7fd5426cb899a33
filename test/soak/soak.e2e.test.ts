import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as path from "node:path"
import { runScript } from "../support/script.ts"

describe("soak", () => {
  // The process has to end by itself: whatever it leaves open would let this time out.
  it.live(
    "10,000 extractions at 100 in flight with 5 % transient faults: every answer right, nothing left behind",
    () =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* runScript(path.join(import.meta.dirname, "extractions.ts"), {})
        assert.strictEqual(stderr, "")
        const { requests, ...rest } = JSON.parse(stdout)
        assert.deepStrictEqual(rest, { right: 10_000, wrong: 0, failures: [], maxInFlight: 100, unhandled: 0 })
        assert.isAbove(requests, 10_500)
        assert.strictEqual(code, 0)
      }),
    180_000
  )
})
