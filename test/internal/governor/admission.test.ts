import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, FiberSet, Random, Result } from "effect"
import { type Completion, LlmError, type LlmRequest, Usage } from "effect-instructor"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import * as Admission from "../../../src/middleware/governor/internal/admission.ts"
import * as CircuitBreaker from "../../../src/middleware/governor/internal/circuitBreaker.ts"
import * as Dispatch from "../../../src/middleware/governor/internal/dispatch.ts"
import type * as Job from "../../../src/middleware/governor/internal/job.ts"
import * as Settings from "../../../src/middleware/governor/internal/settings.ts"

const completion: Completion.Completion = {
  id: "1",
  model: "m",
  text: "",
  toolCalls: [],
  finishReason: "stop",
  usage: Usage.zero
}

const request = (model = "m"): LlmRequest.LlmRequest => ({
  model,
  messages: [{ role: "user", content: "text" }],
  output: { mode: "text" },
  parameters: { maxTokens: 100 }
})

/** A dispatcher with fixed random numbers, and the requests made with it. */
const make = (options: Settings.Options = {}, random = 0) =>
  Effect.gen(function*() {
    const settings = Result.getOrThrow(Settings.make(options, { provider: "test", countText: () => 0 }))
    const self = Dispatch.make(settings, {
      clock: yield* Clock.Clock,
      random: { ...yield* Random.Random, nextDoubleUnsafe: () => random },
      fork: yield* FiberSet.makeRuntime<never, void>(),
      shared: undefined
    })
    const enter = (model?: string, priority = 2): { readonly job: Job.Job; readonly turn: () => string } => {
      const job = Admission.newJob(self, request(model), Context.empty(), { priority, flow: undefined })
      let turn = Admission.enter(self, job) ? "sent at once" : "waits"
      job.resume = (effect) => {
        turn = Exit.isSuccess(Effect.runSyncExit(effect)) ? "sent" : "failed"
      }
      return { job, turn: () => turn }
    }
    return { self, enter }
  })

const failure = (reason: LlmError.Reason, serverDelay?: Duration.Input) =>
  new LlmError.LlmError({
    provider: "test",
    reason,
    ...(serverDelay !== undefined && { serverDelay: Duration.fromInputUnsafe(serverDelay) })
  })

const rateLimited = (serverDelay?: Duration.Input) => failure(new AiError.RateLimitError({}), serverDelay)
const broken = failure(new AiError.InternalProviderError({ description: "broken" }))
const invalid = failure(new AiError.InvalidRequestError({ description: "no" }))
const overBudget = failure(new LlmError.BudgetExceededError({ description: "no" }))

describe("admission", () => {
  it.effect("sends a request at once where nothing is in its way, and the next one after its answer", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make({ concurrency: 1 })
      const first = enter()
      const second = enter()
      assert.deepStrictEqual([first.turn(), second.turn()], ["sent at once", "waits"])
      assert.deepStrictEqual([self.inFlight, self.queued, self.admitted], [1, 1, 1])
      Admission.succeeded(self, first.job, completion)
      assert.strictEqual(second.turn(), "sent")
      assert.deepStrictEqual([self.inFlight, self.queued, self.admitted], [1, 0, 2])
    }))

  it.effect("counts an answer, a failure and an end once", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make()
      const { job } = enter()
      Admission.succeeded(self, job, completion)
      Admission.succeeded(self, job, completion)
      Admission.left(self, job)
      Admission.failed(self, job, broken, false)
      assert.deepStrictEqual([self.inFlight, self.queued], [0, 0])
    }))

  it.effect("sends the next request when the one before is interrupted, waiting or in flight", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make({ concurrency: 1 })
      const [first, second, third] = [enter(), enter(), enter()]
      Admission.left(self, second.job)
      assert.strictEqual(third.turn(), "waits")
      Admission.left(self, first.job)
      assert.deepStrictEqual([second.turn(), third.turn()], ["waits", "sent"])
    }))

  it.effect("lets the models take turns when requests in flight are limited", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make({ concurrency: 1 })
      const first = enter("a")
      const waiting = [enter("a"), enter("a"), enter("b"), enter("b")]
      const order: Array<number> = []
      let running = first.job
      for (let i = 0; i < 4; i++) {
        Admission.succeeded(self, running, completion)
        const next = waiting.findIndex(({ turn }, j) => turn() === "sent" && !order.includes(j))
        order.push(next)
        running = waiting[next]!.job
      }
      assert.sameMembers(order, [0, 1, 2, 3])
    }))

  it.effect("lets limits set the pace as soon as answers report them, and concurrency before", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make()
      Admission.succeeded(self, enter().job, completion)
      assert.strictEqual(self.window.size, 8)
      const rateLimits = (limit: number, period: "minute" | "day") => [
        { unit: "requests" as const, period, limit, remaining: limit, resetAfter: Duration.zero }
      ]
      Admission.succeeded(self, enter().job, { ...completion, rateLimits: rateLimits(1000, "day") })
      assert.strictEqual(self.window.size, 8)
      Admission.succeeded(self, enter().job, { ...completion, rateLimits: rateLimits(6000, "minute") })
      assert.strictEqual(self.window.size, 4096)
    }))

  it.effect("does not overflow the stack when requests are answered as they are sent", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make({ concurrency: 1 })
      const first = enter()
      let answered = 0
      for (let i = 0; i < 20_000; i++) {
        const { job } = enter()
        job.resume = () => {
          answered++
          Admission.succeeded(self, job, completion)
        }
      }
      Admission.succeeded(self, first.job, completion)
      assert.deepStrictEqual([answered, self.inFlight, self.queued], [20_000, 0, 0])
    }))

  it.effect("sends a waiting request when its time has come", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make({ requestsPerMinute: 60 })
      enter()
      const second = enter()
      Dispatch.pump(self)
      assert.strictEqual(Admission.waitOf(self, second.job), 1000)
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(second.turn(), "waits")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(second.turn(), "sent")
    }))

  describe("after a failure", () => {
    it.effect("asks the schedule for a transient one, with the server's delay as the least", () =>
      Effect.gen(function*() {
        const { enter, self } = yield* make({}, 0.5)
        assert.deepStrictEqual(Admission.failed(self, enter().job, broken, false), { _tag: "Retry", atLeast: 0 })
        const delayed = failure(broken.reason, "10 seconds")
        assert.deepStrictEqual(
          Admission.failed(self, enter().job, delayed, false),
          { _tag: "Retry", atLeast: 10_500 }
        )
      }))

    for (const error of [invalid, overBudget]) {
      it.effect(`gives up for ${error.reason._tag}`, () =>
        Effect.gen(function*() {
          const { enter, self } = yield* make()
          assert.deepStrictEqual(Admission.failed(self, enter().job, error, false), { _tag: "GiveUp", error })
        }))
    }

    it.effect("gives up when the request cannot be sent again", () =>
      Effect.gen(function*() {
        const { enter, self } = yield* make()
        assert.deepStrictEqual(Admission.failed(self, enter().job, broken, true), { _tag: "GiveUp", error: broken })
      }))

    it.effect("waits for the end of the pause after a 429, in front of all others", () =>
      Effect.gen(function*() {
        const { enter, self } = yield* make()
        const { job } = enter()
        assert.deepStrictEqual(
          Admission.failed(self, job, rateLimited("3 seconds"), false),
          { _tag: "Requeue", sleep: 0, wait: 3000, yields: false }
        )
        Admission.sendsAgain(self, job, broken, 3000, false)
        assert.strictEqual(job.rank, 0)
        assert.isFalse(Admission.enter(self, job))
        assert.strictEqual(job.reason, "rate_limited")
      }))

    it.effect("waits behind all others and longer from the third 429 in a row on", () =>
      Effect.gen(function*() {
        const { enter, self } = yield* make({}, 0.5)
        const { job } = enter()
        const sleeps: Array<number> = []
        for (let i = 0; i < 6; i++) {
          const decision = Admission.failed(self, job, rateLimited(0), false)
          if (decision._tag !== "Requeue") return assert.fail(decision._tag)
          sleeps.push(decision.sleep - (decision.yields ? Math.max(0, job.lane.pausedUntil - Dispatch.now(self)) : 0))
          assert.strictEqual(decision.yields, i >= 2)
          Admission.sendsAgain(self, job, broken, decision.wait, decision.yields)
          yield* TestClock.adjust(Duration.millis(Math.max(decision.sleep, decision.wait)))
          assert.isTrue(Admission.enter(self, job))
        }
        assert.deepStrictEqual(sleeps, [0, 0, 500, 1000, 2000, 4000])
        assert.deepStrictEqual([job.rank, job.order > 0], [2, true])
      }))

    it.effect("lets another request probe after a probe that failed, and does not count it", () =>
      Effect.gen(function*() {
        const { enter, self } = yield* make({ concurrency: 5, failureThreshold: 5 })
        const jobs = Array.from({ length: 5 }, () => enter().job)
        Admission.failed(self, jobs[0]!, broken, false)
        yield* TestClock.adjust("1 second")
        for (const job of jobs.slice(1)) Admission.failed(self, job, broken, false)
        assert.strictEqual(CircuitBreaker.state(self.circuit, 1000), "open")
        yield* TestClock.adjust("5 seconds")
        assert.isTrue(Admission.enter(self, jobs[0]!))
        assert.deepStrictEqual(
          Admission.failed(self, jobs[0]!, broken, false),
          { _tag: "Requeue", sleep: 0, wait: 10_000, yields: true }
        )
      }))

    it.effect("says nothing about the provider when a budget refused the request", () =>
      Effect.gen(function*() {
        const { enter, self } = yield* make({ concurrency: 5, failureThreshold: 5 })
        const jobs = Array.from({ length: 5 }, () => enter().job)
        Admission.failed(self, jobs[0]!, broken, false)
        yield* TestClock.adjust("1 second")
        for (const job of jobs.slice(1)) Admission.failed(self, job, broken, false)
        yield* TestClock.adjust("5 seconds")
        const probe = enter().job
        assert.isTrue(CircuitBreaker.isProbe(self.circuit, probe))
        Admission.failed(self, probe, overBudget, false)
        assert.strictEqual(CircuitBreaker.state(self.circuit, 6000), "half-open")
        assert.isFalse(CircuitBreaker.isProbe(self.circuit, probe))
        Admission.failed(self, enter().job, invalid, false)
        assert.strictEqual(CircuitBreaker.state(self.circuit, 6000), "closed")
      }))
  })

  it.effect("interrupts all that wait when it is closed, and all that would wait then", () =>
    Effect.gen(function*() {
      const { enter, self } = yield* make({ concurrency: 1 })
      enter()
      const waiting = [enter(), enter("other")]
      Admission.close(self)
      assert.deepStrictEqual(waiting.map(({ turn }) => turn()), ["failed", "failed"])
      assert.strictEqual(self.queued, 0)
      const late = enter().job
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(Admission.turn(self, late))))
    }))
})
