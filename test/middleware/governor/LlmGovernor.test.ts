import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Metric, Schema, Stream } from "effect"
import { Extraction, GovernorMetrics, Llm, LlmGovernor, LlmObserver, type LlmRequest } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Person = Schema.Struct({ name: Schema.String })
const answer = { name: "Ada" }

/** Fails with these reasons first, then answers. */
const failing = (...reasons: ReadonlyArray<AiError.AiErrorReason>) =>
  MockLlm.layer((_, call) => call < reasons.length ? Effect.fail(reasons[call]!) : answer)

const governed = (llm: Layer.Layer<Llm.Llm | MockLlm.MockLlm>, options?: LlmGovernor.Options) =>
  Layer.provideMerge(LlmGovernor.layer(options), llm)

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const rateLimited = (retryAfter: Duration.Input) =>
  new AiError.RateLimitError({ retryAfter: Duration.fromInputUnsafe(retryAfter) })

/** Runs an extraction until it is done, and tells how long that took by the clock. */
const timed = Effect.gen(function*() {
  const fiber = yield* Effect.forkChild(Effect.result(Extraction.extract(Person, "text")))
  let elapsed = 0
  while (fiber.pollUnsafe() === undefined && elapsed < 3600) {
    yield* TestClock.adjust("1 second")
    elapsed++
  }
  return { result: yield* Fiber.join(fiber), seconds: elapsed, requests: (yield* MockLlm.requests).length }
})

describe("LlmGovernor", () => {
  it.effect("sends again what a wait can mend, ever more patiently", () =>
    Effect.gen(function*() {
      const { requests, result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.strictEqual(requests, 5)
      // 0.5 + 1 + 2 + 4 seconds, each give or take 20 %
      assert.isAtLeast(seconds, 6)
      assert.isAtMost(seconds, 9)
    }).pipe(Effect.provide(governed(failing(overloaded, overloaded, overloaded, overloaded)))))

  it.effect("waits no longer than maxDelay of its own accord", () =>
    Effect.gen(function*() {
      const { result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.isAtMost(seconds, 12)
    }).pipe(
      Effect.provide(governed(failing(...Array.from({ length: 10 }, () => overloaded)), {
        maxRetries: 10,
        maxDelay: "1 second"
      }))
    ))

  it.effect("waits as long as the server asks, and a little more", () =>
    Effect.gen(function*() {
      const { result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.isAtLeast(seconds, 60)
      assert.isAtMost(seconds, 67)
    }).pipe(Effect.provide(governed(failing(rateLimited("60 seconds"))))))

  it.effect("fails at once when the server asks for too long a wait", () =>
    Effect.gen(function*() {
      const { requests, result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Failure")
      assert.strictEqual(requests, 1)
      assert.isAtMost(seconds, 1)
    }).pipe(Effect.provide(governed(failing(rateLimited("1 hour"))))))

  it.effect("gives up after maxRetries", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* timed
      assert.strictEqual(requests, 3)
      assert.strictEqual(result._tag === "Failure" ? result.failure.reason._tag : "", "ProviderFailure")
    }).pipe(Effect.provide(governed(failing(...Array.from({ length: 10 }, () => overloaded)), { maxRetries: 2 }))))

  for (
    const [name, reason] of [
      ["a bad key", new AiError.AuthenticationError({ kind: "InvalidKey" })],
      ["a bad request", new AiError.InvalidRequestError({ description: "no" })],
      ["no quota", new AiError.QuotaExhaustedError({})],
      ["a refused schema", new AiError.UnsupportedSchemaError({ description: "no" })],
      ["a policy", new AiError.ContentPolicyError({ description: "no" })]
    ] as const
  ) {
    it.effect(`never repeats what cannot succeed: ${name}`, () =>
      Effect.gen(function*() {
        const { requests, result } = yield* timed
        assert.strictEqual(result._tag, "Failure")
        assert.strictEqual(requests, 1)
      }).pipe(Effect.provide(governed(failing(reason)))))
  }

  it.effect("counts retries, not first tries", () =>
    Effect.gen(function*() {
      const before = (yield* Metric.value(GovernorMetrics.retries)).count
      yield* timed
      assert.strictEqual((yield* Metric.value(GovernorMetrics.retries)).count - before, 2)
    }).pipe(Effect.provide(governed(failing(overloaded, overloaded)))))

  it.effect("does not spend an attempt on a retry", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Extraction.extractDetailed(Person, "text"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).attempts, 1)
    }).pipe(Effect.provide(governed(failing(overloaded, overloaded)))))

  it.effect("tells whoever observes the requests of a fiber", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      yield* timed.pipe(
        Effect.provideService(LlmObserver.CurrentLlmObserver, {
          onRetry: (error, wait) => seen.push(`${error.reason._tag} ${Duration.toMillis(wait) >= 2000}`),
          onWait: (reason) => seen.push(reason),
          onTurn: () => seen.push("sent")
        })
      )
      assert.deepStrictEqual(seen, ["InternalProviderError false", "RateLimitError true", "rate_limited", "sent"])
    }).pipe(Effect.provide(governed(failing(overloaded, rateLimited("2 seconds"))))))

  describe("streams", () => {
    const request: LlmRequest.LlmRequest = {
      model: "m",
      messages: [{ role: "user", content: "text" }],
      output: { mode: "json_schema", name: "Person", jsonSchema: {} },
      parameters: {}
    }

    it.effect("are tried again while nothing has been seen of them", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const fiber = yield* Effect.forkChild(Stream.runCollect(llm.stream(request)))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(fiber)).at(-1)?._tag, "Finish")
        assert.strictEqual((yield* MockLlm.requests).length, 2)
      }).pipe(Effect.provide(governed(failing(overloaded)))))

    it.effect("are not started over once something has", () =>
      Effect.gen(function*() {
        const before = (yield* Metric.value(GovernorMetrics.retries)).count
        let starts = 0
        const breaking = Layer.succeed(
          Llm.Llm,
          Llm.make({
            provider: "test",
            model: "m",
            complete: () => Effect.never,
            stream: () =>
              Stream.suspend(() => {
                starts++
                return Stream.concat(
                  Stream.succeed({ _tag: "TextDelta" as const, delta: "{" }),
                  Stream.fail(AiError.make({ module: "test", method: "stream", reason: overloaded }))
                )
              })
          })
        )
        const error = yield* Llm.Llm.use((llm) => Effect.flip(Stream.runDrain(llm.stream(request)))).pipe(
          Effect.provide(Layer.provide(LlmGovernor.layer(), breaking))
        )
        assert.strictEqual(error.reason._tag, "InternalProviderError")
        assert.strictEqual(starts, 1)
        assert.strictEqual((yield* Metric.value(GovernorMetrics.retries)).count, before)
      }))
  })
})
