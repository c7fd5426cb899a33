import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as JournalIndex from "../../../src/internal/journalIndex.ts"

/** Keys that differ in one part only, some of them near the end of the table. */
const keyOf = (n: number): JournalIndex.Key => ({
  high: n % 3 === 0 ? 0xffff_ffff : Math.imul(n, 0x9e37_79b1) >>> 0,
  middle: n % 3 === 1 ? n : 7,
  low: n
})

const entryOf = (n: number) => ({ status: 1 + n % 2, print: n * 7, offset: n * 1_000_000_007, index: n + 5 })

describe("journalIndex", () => {
  it("keeps everything that it knows of its items when it grows", () => {
    const index = JournalIndex.make(0)
    for (let n = 0; n < 5000; n++) {
      const slot = index.slotOf(keyOf(n))
      index.record(slot, entryOf(n))
      if (n % 4 < 2) index.claim(slot, n + 9, n % 4 === 1)
    }
    assert.strictEqual(index.size, 5000)
    for (let n = 0; n < 5000; n++) {
      const slot = index.slotOf(keyOf(n))
      const { index: place, offset, print, status } = entryOf(n)
      assert.deepStrictEqual(
        [index.statusAt(slot), index.printAt(slot), index.offsetAt(slot), index.indexAt(slot)],
        [status, print, offset, n % 4 < 2 ? n + 9 : place]
      )
      assert.deepStrictEqual([index.isClaimed(slot), index.isStale(slot)], [n % 4 < 2, n % 4 === 1])
    }
    assert.strictEqual(index.size, 5000)
  })

  const Operations = Schema.Array(Schema.Struct({
    operation: Schema.Literals(["record", "claim", "claimStale", "unclaimAll"]),
    key: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2000 }))
  }))

  it.prop("agrees with a Map", [Operations], ([operations]) => {
    const index = JournalIndex.make(0)
    const model = new Map<number, { status: number; index: number; isClaimed: boolean; isStale: boolean }>()
    for (const { key, operation } of operations) {
      const slot = index.slotOf(keyOf(key))
      const known = model.get(key) ?? { status: 0, index: 0, isClaimed: false, isStale: false }
      switch (operation) {
        case "record":
          index.record(slot, entryOf(key))
          // A new record is that of the claim.
          model.set(key, { ...known, status: entryOf(key).status, index: entryOf(key).index, isStale: false })
          break
        case "claim":
        case "claimStale":
          index.claim(slot, key + 1, operation === "claimStale")
          model.set(key, { ...known, index: key + 1, isClaimed: true, isStale: operation === "claimStale" })
          break
        case "unclaimAll":
          index.unclaimAll()
          model.set(key, known)
          for (const [key, entry] of model) model.set(key, { ...entry, isClaimed: false, isStale: false })
      }
    }
    assert.strictEqual(index.size, model.size)
    for (const [key, { isClaimed, isStale, status, index: place }] of model) {
      const slot = index.slotOf(keyOf(key))
      assert.deepStrictEqual(
        [index.statusAt(slot), index.indexAt(slot), index.isClaimed(slot), index.isStale(slot)],
        [status, place, isClaimed, isStale]
      )
    }
  })
})
