/** Minutes of virtual time against the simulator's own limiter. `npm run bench:governor` runs more of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Clients from "../../bench/governor/clients.ts"
import * as Scenario from "../../bench/governor/scenario.ts"
import * as VirtualServer from "../../bench/governor/virtualServer.ts"

const server = (options: Partial<VirtualServer.Options>): VirtualServer.Options => {
  const random = VirtualServer.makeRandom(42)
  return { latencyMillis: () => 500 + 1000 * random(), outputTokens: () => 50, ...options }
}

const mixed = (random: () => number) => VirtualServer.request(10 * 800 ** random(), 200)

const limits = { requestsPerMinute: 2000, tokensPerMinute: 800_000 }
const base = { minutes: 3, callers: 200, request: mixed }

const use = (outcome: Scenario.Outcome, unit: "granted" | "tokens", from: number, to: number) =>
  Scenario.sum(outcome, unit, from, to) / ((to - from) / 60)

describe("LlmGovernor", () => {
  it("uses known limits fully without a refusal", () => {
    const outcome = Scenario.run({ ...base, server: server({ limits }) }, Clients.governed(limits))
    assert.strictEqual(Scenario.sum(outcome, "refused", 0), 0)
    assert.strictEqual(outcome.lost, 0)
    assert.isAtLeast(use(outcome, "tokens", 60, 180), 0.98 * limits.tokensPerMinute)
  })

  for (const isPerSecond of [false, true]) {
    for (const requestsPerMinute of [120, 600, 3000]) {
      const title = `${requestsPerMinute} a minute, enforced by the second and reported per ${
        isPerSecond ? "second" : "minute"
      }`
      it(`uses limits that answers report: ${title}`, () => {
        const quantised = { requestsPerMinute, quantised: true }
        const outcome = Scenario.run(
          { ...base, server: server({ limits: quantised, isPerSecond }) },
          Clients.governed()
        )
        // A bucket of two is sometimes empty for an early request.
        assert.isAtMost(Scenario.sum(outcome, "refused", 0), requestsPerMinute === 120 ? 10 : 0)
        assert.isAtLeast(use(outcome, "granted", 60, 180), 0.95 * requestsPerMinute)
      })

      it(`leaves room for other clients of limits: ${title}`, () => {
        const outcome = Scenario.run({
          ...base,
          minutes: 5,
          server: server({ limits: { requestsPerMinute, quantised: true }, isPerSecond }),
          besides: (server) => server.consume({ requests: 0.4 * requestsPerMinute / 600, tokens: 0 })
        }, Clients.governed())
        assert.strictEqual(outcome.lost, 0)
        assert.isAtMost(Scenario.sum(outcome, "refused", 60), Math.max(10, outcome.done / 100))
        assert.isAtLeast(use(outcome, "granted", 120, 300), 0.85 * 0.6 * requestsPerMinute)
      })
    }
  }

  it("corrects a token count that differs from the server's", () => {
    for (const tokenRatio of [0.6, 1.6]) {
      const outcome = Scenario.run({ ...base, server: server({ limits, tokenRatio }) }, Clients.governed(limits))
      assert.strictEqual(Scenario.sum(outcome, "refused", 0), 0)
      assert.isAtLeast(use(outcome, "tokens", 60, 180), 0.98 * limits.tokensPerMinute)
    }
  })

  it("leaves room for other clients of the same limits", () => {
    const outcome = Scenario.run({
      ...base,
      minutes: 4,
      server: server({ limits }),
      besides: (server) => server.consume({ requests: 0, tokens: 0.4 * limits.tokensPerMinute / 600 })
    }, Clients.governed(limits))
    assert.strictEqual(outcome.lost, 0)
    assert.isAtMost(Scenario.sum(outcome, "refused", 60), outcome.done / 1000)
    assert.isAtLeast(use(outcome, "tokens", 180, 240), 0.95 * 0.6 * limits.tokensPerMinute)
  })

  it("follows the limits that refusals report where no answer does", () => {
    const twice = { requestsPerMinute: 4000, tokensPerMinute: 1_600_000 }
    const outcome = Scenario.run({ ...base, server: server({ limits, headers: false }) }, Clients.governed(twice))
    assert.strictEqual(outcome.lost, 0)
    assert.isAtMost(Scenario.sum(outcome, "refused", 60), outcome.done / 1000)
    assert.isAtLeast(use(outcome, "tokens", 60, 180), 0.95 * limits.tokensPerMinute)
  })

  it("follows limits that change", () => {
    const half = { requestsPerMinute: 1000, tokensPerMinute: 400_000 }
    const halved = Scenario.run({
      ...base,
      server: server({ limits }),
      besides: (server, second) => second === 60 ? Effect.sync(() => server.setLimits(half)) : Effect.void
    }, Clients.governed(limits))
    assert.strictEqual(halved.lost, 0)
    assert.isAtMost(Scenario.sum(halved, "refused", 90), halved.done / 1000)
    assert.isAtLeast(use(halved, "tokens", 120, 180), 0.95 * half.tokensPerMinute)
  })

  it("finds the concurrency of a server that reports no limits", () => {
    const scenario = { ...base, server: server({ slots: { count: 32, queue: 8 } }) }
    const best = Scenario.run(scenario, Clients.fixed(36, VirtualServer.makeRandom(5)))
    const outcome = Scenario.run({ ...base, server: server({ slots: { count: 32, queue: 8 } }) }, Clients.governed())
    assert.strictEqual(outcome.lost, 0)
    assert.isAtLeast(Scenario.sum(outcome, "granted", 60), 0.9 * Scenario.sum(best, "granted", 60))
  })

  const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

  it.effect.prop(
    "is never refused within limits it knows",
    [between(30, 3000), between(20_000, 1_000_000), between(1, 60), between(1, 1000)],
    ([requestsPerMinute, tokensPerMinute, latency, seed]) =>
      Effect.sync(() => {
        const random = VirtualServer.makeRandom(seed)
        const known = { requestsPerMinute, tokensPerMinute }
        const outcome = Scenario.run({
          minutes: 2,
          callers: 50,
          server: server({ limits: known, latencyMillis: () => 100 * latency * (0.5 + random()) }),
          request: mixed
        }, Clients.governed(known))
        assert.strictEqual(Scenario.sum(outcome, "refused", 0), 0)
        assert.strictEqual(outcome.lost, 0)
      }),
    { arbitrary: { runs: 25 } }
  )
})
