import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as LruMap from "../../src/internal/lruMap.ts"

const Operations = Schema.Array(Schema.Struct({
  operation: Schema.Literals(["get", "set", "delete"]),
  key: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
}))

describe("lruMap", () => {
  it.prop(
    "behaves like a list that moves a used entry to its end and drops the first",
    [Operations],
    ([operations]) => {
      const map = LruMap.make<number, string>(3)
      let model: Array<readonly [key: number, value: string]> = []
      for (const [step, { key, operation }] of operations.entries()) {
        const found = model.find(([other]) => other === key)
        const others = model.filter(([other]) => other !== key)
        switch (operation) {
          case "get":
            assert.strictEqual(map.get(key), found?.[1])
            if (found !== undefined) model = [...others, found]
            break
          case "set":
            map.set(key, `${step}`)
            model = [...others, [key, `${step}`] as const].slice(-3)
            break
          case "delete":
            map.delete(key)
            model = others
        }
      }
      for (const [key, value] of model) assert.strictEqual(map.get(key), value)
    }
  )

  it("evicts an entry whose key is undefined or null like any other", () => {
    const map = LruMap.make<null | undefined | number, number>(1)
    for (const key of [undefined, null, 0]) map.set(key, 1)
    assert.deepStrictEqual([map.get(undefined), map.get(null), map.get(0)], [undefined, undefined, 1])
  })

  it("keeps nothing with a capacity of 0", () => {
    const map = LruMap.make<string, number>(0)
    map.set("a", 1)
    assert.isUndefined(map.get("a"))
  })
})
