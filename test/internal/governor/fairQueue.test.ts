import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as FairQueue from "../../../src/middleware/governor/internal/fairQueue.ts"

interface Item extends FairQueue.Waiting {
  readonly name: string
}

const item = (name: string, flow: string, rank: number, order: number): Item => ({
  name,
  flow,
  rank,
  order,
  cancelled: false
})

const queueOf = (items: ReadonlyArray<Item>) => {
  const queue = FairQueue.make<Item>()
  for (const item of items) FairQueue.push(queue, item)
  return queue
}

const drain = (queue: FairQueue.FairQueue<Item>): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (let next = FairQueue.peek(queue); next !== undefined; next = FairQueue.peek(queue)) {
    FairQueue.shift(queue, next)
    names.push(next.name)
  }
  return names
}

describe("fairQueue", () => {
  it("returns lower ranks first", () => {
    assert.deepStrictEqual(
      drain(
        queueOf([item("low", "a", 3, 0), item("retry", "a", 0, 1), item("high", "a", 1, 2), item("normal", "a", 2, 3)])
      ),
      ["retry", "high", "normal", "low"]
    )
  })

  it("lets the flows of one rank take turns", () => {
    const long = Array.from({ length: 4 }, (_, i) => item(`long ${i}`, "long", 2, i))
    const short = Array.from({ length: 2 }, (_, i) => item(`short ${i}`, "short", 2, 4 + i))
    assert.deepStrictEqual(drain(queueOf([...long, ...short])), [
      "long 0",
      "short 0",
      "long 1",
      "short 1",
      "long 2",
      "long 3"
    ])
  })

  it("puts a retry at its old place in its flow", () => {
    assert.deepStrictEqual(
      drain(queueOf([item("5", "a", 0, 5), item("9", "a", 0, 9), item("7", "a", 0, 7), item("1", "a", 0, 1)])),
      ["1", "5", "7", "9"]
    )
  })

  it("skips what was removed", () => {
    const items = Array.from({ length: 5 }, (_, i) => item(`${i}`, i % 2 === 0 ? "a" : "b", 2, i))
    const queue = queueOf(items)
    FairQueue.cancel(queue, items[0]!)
    FairQueue.cancel(queue, items[3]!)
    assert.strictEqual(queue.size, 3)
    assert.deepStrictEqual(Array.from(FairQueue.entries(queue), ({ name }) => name), ["2", "4", "1"])
    assert.deepStrictEqual(drain(queue), ["2", "1", "4"])
  })

  it("does not keep what was removed from a flow that gets no turn", () => {
    const queue = queueOf([item("first", "a", 1, 0)])
    for (let i = 0; i < 10_000; i++) {
      const removed = item(`${i}`, "low", 3, i)
      FairQueue.push(queue, removed)
      FairQueue.cancel(queue, removed)
    }
    const kept = queue.classes[3]!.turns.reduce((sum, { items }) => sum + items.length, 0)
    assert.isBelow(kept, 200)
    assert.deepStrictEqual(drain(queue), ["first"])
  })

  it("does not keep what was taken from a long flow", () => {
    const queue = queueOf([])
    for (let i = 0; i < 10_000; i++) {
      FairQueue.push(queue, item(`${i}`, "a", 2, i))
      if (i >= 10) FairQueue.shift(queue, FairQueue.peek(queue)!)
    }
    assert.isBelow(queue.classes[2]!.turns[0]!.items.length, 200)
  })

  const Action = Schema.Struct({
    kind: Schema.Literals(["push", "push", "shift", "cancel"]),
    flow: Schema.Literals(["a", "b", "c"]),
    rank: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
    pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
  })

  it.effect.prop(
    "returns each item once, by rank, and within a flow by age",
    [Schema.Array(Action).check(Schema.isMinLength(20))],
    ([actions]) =>
      Effect.sync(() => {
        const queue = FairQueue.make<Item>()
        let present: Array<Item> = []
        actions.forEach(({ flow, kind, pick, rank }, order) => {
          if (kind === "push") {
            const pushed = item(`${order}`, flow, rank, pick)
            FairQueue.push(queue, pushed)
            present.push(pushed)
          } else if (kind === "shift") {
            const next = FairQueue.peek(queue)
            if (next === undefined) return assert.strictEqual(present.length, 0)
            assert.include(present, next)
            assert.strictEqual(next.rank, Math.min(...present.map((one) => one.rank)))
            const peers = present.filter((one) => one.rank === next.rank && one.flow === next.flow)
            assert.strictEqual(next.order, Math.min(...peers.map((one) => one.order)))
            FairQueue.shift(queue, next)
            present = present.filter((one) => one !== next)
          } else if (present.length > 0) {
            const removed = present[pick % present.length]!
            FairQueue.cancel(queue, removed)
            present = present.filter((one) => one !== removed)
          }
          assert.strictEqual(queue.size, present.length)
        })
        assert.sameMembers(Array.from(FairQueue.entries(queue)), present)
        assert.strictEqual(drain(queue).length, present.length)
      }),
    { arbitrary: { runs: 200 } }
  )
})
