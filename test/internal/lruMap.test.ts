import { assert, describe, it } from "@effect/vitest"
import * as LruMap from "../../src/internal/lruMap.ts"

describe("lruMap", () => {
  it("drops the entry that was used least recently when it is full", () => {
    const map = LruMap.make<number>(2)
    map.set("a", 1)
    map.set("b", 2)
    assert.strictEqual(map.get("a"), 1)
    map.set("c", 3)
    assert.deepStrictEqual(["a", "b", "c"].map(map.get), [1, undefined, 3])
  })

  it("replaces and deletes entries", () => {
    const map = LruMap.make<number>(2)
    map.set("a", 1)
    map.set("b", 2)
    map.set("a", 3)
    map.set("c", 4)
    assert.deepStrictEqual(["a", "b", "c"].map(map.get), [3, undefined, 4])
    map.delete("a")
    assert.isUndefined(map.get("a"))
  })
})
