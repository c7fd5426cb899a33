import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as path from "node:path"
import { runScript } from "../support/script.ts"

describe("speed", () => {
  // Ratios of figures taken in turns, and no times: a slow machine is slow for all. They are about 1.7 to 2.1 and 0.3 to 0.4.
  it.live(
    "an extraction costs at most 2.5 times the CPU of bare undici with Zod, and half of that of the bare SDK",
    () =>
      Effect.gen(function*() {
        // Without tsx, which gives every function a name as it is made, at a cost.
        const { code, stderr, stdout } = yield* runScript(path.join(import.meta.dirname, "ratio.ts"), {}, [], [])
        assert.strictEqual(stderr, "")
        assert.strictEqual(code, 0)
        assert.isBelow(JSON.parse(stdout).toUndici, 2.5, stdout)
        assert.isBelow(JSON.parse(stdout).toSdk, 0.5, stdout)
      }),
    120_000
  )
})
