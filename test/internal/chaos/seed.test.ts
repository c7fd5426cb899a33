// One thing after another is what these loops are for.
/* oxlint-disable eslint/no-await-in-loop */
import { assert, describe, it } from "vitest"
import * as Seed from "./seed.ts"

const first = 1
const seeds = 200
const groups = 8

// `npm run chaos` runs more of them, and `npm run chaos -- --from SEED --seeds 1` shows what one of them did.
describe("a batch amid kills, power failures, full disks, flipped bits and a hostile server", () => {
  for (let group = 0; group < groups; group++) {
    const from = first + group * seeds / groups
    it(`has each input exactly once and right, with the seeds from ${from}`, async () => {
      for (let seed = from; seed < from + seeds / groups; seed++) {
        const { trace, violations } = await Seed.run(seed, 40)
        assert.deepStrictEqual(violations, [], `seed ${seed}\n${trace.join("\n")}`)
      }
    }, 120_000)
  }
})
