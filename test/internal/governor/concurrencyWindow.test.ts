import { assert, describe, it } from "@effect/vitest"
import * as ConcurrencyWindow from "../../../src/middleware/governor/internal/concurrencyWindow.ts"

/** A window of this size whose present round has just begun. */
const sized = (size: number) => {
  const window = ConcurrencyWindow.make("adaptive")
  window.size = size
  return window
}

const round = (window: ConcurrencyWindow.ConcurrencyWindow, millis = 100, isPaced = false) => {
  window.saturated = true
  const count = Math.ceil(window.size)
  for (let i = 0; i < count; i++) ConcurrencyWindow.answered(window, millis, isPaced)
}

const refuse = (window: ConcurrencyWindow.ConcurrencyWindow, count: number, weight = 1) => {
  const { generation } = window
  for (let i = 0; i < count; i++) ConcurrencyWindow.refused(window, generation, Math.floor(window.size), weight)
}

describe("concurrencyWindow", () => {
  it("is what the user says, and does not change", () => {
    const window = ConcurrencyWindow.make(5)
    round(window)
    refuse(window, 5)
    ConcurrencyWindow.reset(window)
    ConcurrencyWindow.widen(window)
    assert.strictEqual(window.size, 5)
    assert.deepStrictEqual([4, 5].map((inFlight) => ConcurrencyWindow.hasRoom(window, inFlight)), [true, false])
  })

  it("doubles with each full round of answers", () => {
    const window = ConcurrencyWindow.make("adaptive")
    const sizes = Array.from({ length: 4 }, () => {
      round(window)
      return window.size
    })
    assert.deepStrictEqual(sizes, [16, 32, 64, 128])
  })

  it("does not grow in a round in which it was never full", () => {
    const window = ConcurrencyWindow.make("adaptive")
    for (let i = 0; i < 8; i++) ConcurrencyWindow.answered(window, 100, false)
    assert.strictEqual(window.size, 8)
  })

  it("grows by one a round when answers take more than twice as long", () => {
    const window = sized(32)
    round(window, 100)
    assert.strictEqual(window.size, 64)
    round(window, 250)
    assert.strictEqual(window.size, 64)
    round(window, 100)
    assert.strictEqual(window.size, 65)
  })

  it("ignores the time of answers while limits set the pace", () => {
    const window = sized(32)
    round(window, 100, true)
    round(window, 1000, true)
    assert.strictEqual(window.size, 128)
  })

  it("forgets slowly how fast answers once were", () => {
    const window = sized(1)
    round(window, 100)
    window.size = 1
    for (let i = 0; i < 30; i++) ConcurrencyWindow.answered(window, 150, false)
    assert.approximately(window.fastest, 100 * 1.01 ** 30, 0.01)
    for (let i = 0; i < 30; i++) ConcurrencyWindow.answered(window, 150, false)
    assert.strictEqual(window.fastest, 150)
  })

  describe("refusals", () => {
    it("cut a window by 15 % when they are more than one in twenty of it", () => {
      const window = sized(60)
      refuse(window, 3)
      assert.strictEqual(window.size, 60)
      refuse(window, 1)
      assert.strictEqual(window.size, 51)
    })

    it("do not cut a window when they are exactly one in twenty", () => {
      const window = sized(40)
      refuse(window, 2)
      assert.strictEqual(window.size, 40)
    })

    it("do not cut a small window when there is only one", () => {
      const window = sized(8)
      refuse(window, 1)
      assert.strictEqual(window.size, 8)
      refuse(window, 1)
      assert.isBelow(window.size, 8)
    })

    it("are counted anew in each round", () => {
      const window = sized(30)
      refuse(window, 1)
      window.threshold = 30
      round(window)
      refuse(window, 1)
      assert.strictEqual(window.size, 31)
    })

    it("count less when they may have another reason", () => {
      const window = sized(20)
      refuse(window, 9, 0.2)
      assert.strictEqual(window.size, 20)
      refuse(window, 2, 0.2)
      assert.isBelow(window.size, 20)
    })

    it("of one burst cut once, and then show how many requests the server accepts", () => {
      const window = sized(40)
      const { generation } = window
      for (let left = 39; left >= 20; left--) ConcurrencyWindow.refused(window, generation, left, 1)
      assert.strictEqual(window.generation, generation + 1)
      assert.strictEqual(window.size, 20)
    })

    it("of a burst that may have another reason do not cut further", () => {
      const window = sized(40)
      const { generation } = window
      refuse(window, 3)
      const { size } = window
      ConcurrencyWindow.refused(window, generation, 5, 0.2)
      assert.strictEqual(window.size, size)
    })

    it("let the window double up to half of its former size, and then grow by one", () => {
      const window = sized(64)
      const { generation } = window
      for (let left = 63; left >= 4; left--) ConcurrencyWindow.refused(window, generation, left, 1)
      assert.strictEqual(window.size, 4)
      const sizes = Array.from({ length: 5 }, () => {
        round(window)
        return window.size
      })
      assert.deepStrictEqual(sizes, [8, 16, 32, 33, 34])
    })

    it("never cut it below one", () => {
      const window = sized(1)
      for (let i = 0; i < 10; i++) ConcurrencyWindow.refused(window, window.generation, 0, 1)
      assert.strictEqual(window.size, 1)
    })
  })

  it("is wide open where limits set the pace, until the server refuses", () => {
    const window = ConcurrencyWindow.make("adaptive")
    ConcurrencyWindow.widen(window)
    assert.strictEqual(window.size, 4096)
    refuse(window, 300)
    const { size } = window
    ConcurrencyWindow.widen(window)
    assert.strictEqual(window.size, size)
  })

  it("starts small again after an outage, and keeps a smaller size", () => {
    const window = sized(500)
    ConcurrencyWindow.reset(window)
    assert.strictEqual(window.size, 8)
    window.size = 3
    ConcurrencyWindow.reset(window)
    assert.strictEqual(window.size, 3)
  })
})
