import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Calibration } from "effect-instructor"

const Unit = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const Samples = Schema.Array(Schema.Struct({ confidence: Unit, correct: Schema.Boolean }))

describe("fit", () => {
  it("gives the share of right values of equal confidence", () => {
    const samples = [...Array(10).keys()].map((i) => ({ confidence: 0.5, correct: i < 7 }))
    assert.strictEqual(Calibration.apply(Calibration.fit(samples), 0.5), 0.7)
    assert.strictEqual(Calibration.apply(Calibration.fit(samples, { method: "binned" }), 0.9), 0.7)
  })

  it("changes nothing without samples", () => {
    assert.strictEqual(Calibration.apply(Calibration.fit([]), 0.42), 0.42)
  })

  it("leaves out samples that are no numbers", () => {
    assert.strictEqual(Calibration.fit([{ confidence: NaN, correct: true }]).samples, 0)
  })

  it("is plain data", () => {
    const calibration = Calibration.fit([{ confidence: 0.2, correct: false }, { confidence: 0.9, correct: true }])
    assert.deepStrictEqual(JSON.parse(JSON.stringify(calibration)), calibration)
    assert.approximately(Calibration.apply(calibration, 0.55), 0.5, 1e-9)
  })

  it.effect.prop(
    "is a probability that never falls, and right on the whole",
    [Samples],
    ([samples]) =>
      Effect.sync(() => {
        if (samples.length === 0) return
        const calibration = Calibration.fit(samples)
        const grid = Array.from({ length: 21 }, (_, i) => Calibration.apply(calibration, i / 20))
        for (const [i, probability] of grid.entries()) {
          assert.isTrue(probability >= 0 && probability <= 1)
          if (i > 0) assert.isAtLeast(probability, grid[i - 1]! - 1e-12)
        }
        const sum = samples.reduce((sum, { confidence }) => sum + Calibration.apply(calibration, confidence), 0)
        assert.approximately(sum, samples.filter(({ correct }) => correct).length, 1e-6)
      })
  )
})
