import { assert, describe, it } from "@effect/vitest"
import { LlmError } from "effect-instructor"
import * as CircuitBreaker from "../../../src/middleware/governor/internal/circuitBreaker.ts"

const error = (description: string) =>
  new LlmError.LlmError({ provider: "test", reason: new LlmError.OverloadedError({ description }) })

/** Fails the requests "0" to "4" in turn, every 100 milliseconds. */
const failing = (count: number, options: { readonly requests?: number; readonly every?: number } = {}) => {
  const { every = 200, requests = 5 } = options
  const circuit = CircuitBreaker.make<string>(10)
  const tripped = Array.from(
    { length: count },
    (_, i) => CircuitBreaker.failed(circuit, String(i % requests), error(`${i}`), i * every, 0)
  )
  return { circuit, tripped }
}

describe("circuitBreaker", () => {
  it("trips at the threshold of failures in a row", () => {
    const { circuit, tripped } = failing(10)
    assert.deepStrictEqual(tripped, [...Array.from({ length: 9 }, () => false), true])
    assert.strictEqual(CircuitBreaker.state(circuit, 1800), "open")
    assert.strictEqual(circuit.trouble?.since, 1800)
    assert.strictEqual(circuit.trouble?.error.reason.message, error("9").reason.message)
  })

  it("does not trip when one of the requests is answered in between", () => {
    const { circuit } = failing(9)
    CircuitBreaker.succeeded(circuit)
    assert.isFalse(CircuitBreaker.failed(circuit, "0", error(""), 2000, 0))
    assert.strictEqual(CircuitBreaker.state(circuit, 2000), "closed")
  })

  it("does not trip when fewer than five different requests fail", () => {
    assert.isFalse(failing(100, { requests: 4 }).tripped.includes(true))
  })

  it("does not trip within one second", () => {
    assert.isFalse(failing(10, { every: 100 }).tripped.includes(true))
    assert.isTrue(failing(11, { every: 100 }).tripped.includes(true))
  })

  it("lets nothing pass while it is open, and one request when it is half-open", () => {
    const { circuit } = failing(10)
    assert.strictEqual(CircuitBreaker.blockedUntil(circuit, 1800), 6800)
    assert.strictEqual(CircuitBreaker.blockedUntil(circuit, 6799), 6800)
    assert.strictEqual(CircuitBreaker.state(circuit, 6800), "half-open")
    assert.strictEqual(CircuitBreaker.blockedUntil(circuit, 6800), 0)
    CircuitBreaker.passed(circuit, "probe", 6800)
    assert.isTrue(CircuitBreaker.isProbe(circuit, "probe"))
    assert.strictEqual(CircuitBreaker.blockedUntil(circuit, 6801), 66_800)
    assert.strictEqual(CircuitBreaker.blockedUntil(circuit, 66_800), 0)
  })

  it("is closed by the answer to a probe, and opens for five seconds again the next time", () => {
    const { circuit } = failing(10)
    CircuitBreaker.passed(circuit, "probe", 7000)
    CircuitBreaker.failed(circuit, "probe", error(""), 7000, 0)
    CircuitBreaker.succeeded(circuit)
    assert.strictEqual(CircuitBreaker.state(circuit, 7001), "closed")
    assert.isUndefined(circuit.trouble)
    for (let i = 0; i < 10; i++) CircuitBreaker.failed(circuit, String(i), error(""), 10_000 + 200 * i, 0)
    assert.strictEqual(circuit.retryAt, 11_800 + 5000)
  })

  it("stays open for twice as long after each probe that fails, up to a minute", () => {
    const { circuit } = failing(10)
    const waits = Array.from({ length: 6 }, () => {
      const at = circuit.retryAt
      CircuitBreaker.passed(circuit, "probe", at)
      assert.isFalse(CircuitBreaker.failed(circuit, "probe", error("still down"), at, 0))
      return circuit.retryAt - at
    })
    assert.deepStrictEqual(waits, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
    assert.strictEqual(circuit.trouble?.since, 1800)
  })

  it("spreads probes over a tenth of the time", () => {
    const open = (random: number) => {
      const circuit = CircuitBreaker.make<string>(10)
      for (let i = 0; i < 10; i++) CircuitBreaker.failed(circuit, String(i), error(""), 200 * i, random)
      return circuit.retryAt - 1800
    }
    assert.deepStrictEqual([open(0), open(0.5), open(1)], [5000, 5250, 5500])
  })

  it("ignores failures of requests that were sent before it tripped, but keeps their error", () => {
    const { circuit } = failing(10)
    const { retryAt } = circuit
    assert.isFalse(CircuitBreaker.failed(circuit, "old", error("late"), 3000, 0))
    assert.strictEqual(circuit.retryAt, retryAt)
    assert.strictEqual(circuit.trouble?.error.reason.message, error("late").reason.message)
  })

  it("lets another request probe when the probe is interrupted, and ignores others that are", () => {
    const { circuit } = failing(10)
    CircuitBreaker.passed(circuit, "probe", 7000)
    CircuitBreaker.released(circuit, "other")
    assert.isAbove(CircuitBreaker.blockedUntil(circuit, 7001), 0)
    CircuitBreaker.released(circuit, "probe")
    assert.strictEqual(CircuitBreaker.blockedUntil(circuit, 7001), 0)
  })

  it("has no probe while it is closed", () => {
    const circuit = CircuitBreaker.make<string>(10)
    CircuitBreaker.passed(circuit, "request", 0)
    assert.isFalse(CircuitBreaker.isProbe(circuit, "request"))
  })
})
