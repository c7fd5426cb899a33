import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as path from "node:path"
import { runScript } from "../support/script.ts"

describe("speed", () => {
  // A ratio of two figures taken in turns, and no time: a slow machine is slow for both. It is 1.2 to 1.45.
  it.live(
    "an extraction costs at most 1.7 times the CPU of the bare SDK over the same transport",
    () =>
      Effect.gen(function*() {
        // Without tsx, which gives every function a name as it is made, at a cost.
        const { code, stderr, stdout } = yield* runScript(path.join(import.meta.dirname, "ratio.ts"), {}, [], [])
        assert.strictEqual(stderr, "")
        assert.strictEqual(code, 0)
        assert.isBelow(JSON.parse(stdout).ratio, 1.7, stdout)
      }),
    120_000
  )
})
