import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Metric, Schedule, Schema, Stream } from "effect"
import { Extraction, Llm, LlmError, LlmGovernor, type LlmRequest } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { CurrentRequestObserver } from "../../internal/requestContext.ts"

const Person = Schema.Struct({ name: Schema.String })
const answer = { name: "Ada" }

/** Fails with these reasons first, then answers. */
const failing = (...reasons: ReadonlyArray<LlmError.Reason | LlmError.LlmError>) =>
  MockLlm.layer((_, call) => call < reasons.length ? Effect.fail(reasons[call]!) : answer)

const governed = (llm: Layer.Layer<Llm.Llm | MockLlm.MockLlm>, options?: LlmGovernor.Options) =>
  Layer.provideMerge(LlmGovernor.layer(options), llm)

const broken = new AiError.InternalProviderError({ description: "broken" })
const rateLimited = (retryAfter: Duration.Input) =>
  new AiError.RateLimitError({ retryAfter: Duration.fromInputUnsafe(retryAfter) })
const times = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)

/** Runs an extraction to its end, and returns how many seconds it took by the clock. */
const timed = Effect.gen(function*() {
  const fiber = yield* Effect.forkChild(Effect.result(Extraction.extract(Person, "text")))
  let seconds = 0
  while (fiber.pollUnsafe() === undefined && seconds < 3600) {
    yield* TestClock.adjust("1 second")
    seconds++
  }
  return { result: yield* Fiber.join(fiber), seconds, requests: (yield* MockLlm.requests).length }
})

describe("LlmGovernor", () => {
  it.effect("retries transient failures with delays that double", () =>
    Effect.gen(function*() {
      const { requests, result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.strictEqual(requests, 5)
      // 0.5 + 1 + 2 + 4 seconds, with a jitter of a fifth
      assert.isAtLeast(seconds, 6)
      assert.isAtMost(seconds, 9)
    }).pipe(Effect.provide(governed(failing(broken, broken, broken, broken)))))

  it.effect("gives up after 5 retries", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* timed
      assert.strictEqual(requests, 6)
      assert.strictEqual(result._tag === "Failure" ? result.failure.reason._tag : "", "ProviderFailure")
    }).pipe(Effect.provide(governed(failing(...times(10, broken))))))

  it.effect("follows the schedule of the option `retry`", () =>
    Effect.gen(function*() {
      const { requests, result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Failure")
      assert.strictEqual(requests, 3)
      assert.strictEqual(seconds, 20)
    }).pipe(
      Effect.provide(
        governed(failing(...times(10, broken)), {
          retry: Schedule.spaced("10 seconds").pipe(Schedule.upTo({ times: 2 }))
        })
      )
    ))

  it.effect("passes each failure to the schedule", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* timed
      assert.strictEqual(result._tag, "Failure")
      assert.strictEqual(requests, 2)
    }).pipe(
      Effect.provide(
        governed(failing(broken, new LlmError.OverloadedError({ description: "busy" }), broken), {
          retry: Schedule.forever.pipe(
            Schedule.setInputType<LlmError.LlmError>(),
            Schedule.while(({ input }) => input.reason._tag === "InternalProviderError")
          )
        })
      )
    ))

  it.effect("waits longer than the schedule when the server asks for it", () =>
    Effect.gen(function*() {
      const { result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.isAtLeast(seconds, 30)
      assert.isAtMost(seconds, 34)
    }).pipe(
      Effect.provide(governed(failing(
        new LlmError.LlmError({ provider: "mock", reason: broken, serverDelay: Duration.seconds(30) })
      )))
    ))

  it.effect("does not wait less than the schedule when the server asks for less", () =>
    Effect.gen(function*() {
      const { seconds } = yield* timed
      assert.strictEqual(seconds, 10)
    }).pipe(
      Effect.provide(
        governed(
          failing(new LlmError.LlmError({ provider: "mock", reason: broken, serverDelay: Duration.millis(1) })),
          { retry: Schedule.spaced("10 seconds") }
        )
      )
    ))

  it.effect("retries a 429 after the delay the server asks for", () =>
    Effect.gen(function*() {
      const { result, seconds } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.isAtLeast(seconds, 60)
      assert.isAtMost(seconds, 67)
    }).pipe(Effect.provide(governed(failing(rateLimited("60 seconds"))))))

  it.effect("does not step the schedule for a 429", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* timed
      assert.strictEqual(result._tag, "Success")
      assert.strictEqual(requests, 3)
    }).pipe(
      Effect.provide(governed(failing(rateLimited("1 second"), rateLimited("1 second")), { retry: Schedule.recurs(0) }))
    ))

  for (
    const [name, reason] of [
      ["an invalid key", new AiError.AuthenticationError({ kind: "InvalidKey" })],
      ["an invalid request", new AiError.InvalidRequestError({ description: "no" })],
      ["an exhausted account", new AiError.QuotaExhaustedError({})],
      ["an unsupported schema", new AiError.UnsupportedSchemaError({ description: "no" })],
      ["a content policy", new AiError.ContentPolicyError({ description: "no" })],
      ["a request that is too large", new LlmError.RequestTooLargeError({ description: "no" })],
      ["an exceeded budget", new LlmError.BudgetExceededError({ description: "no" })]
    ] as const
  ) {
    it.effect(`does not retry ${name}`, () =>
      Effect.gen(function*() {
        const { requests, result } = yield* timed
        assert.strictEqual(result._tag, "Failure")
        assert.strictEqual(requests, 1)
      }).pipe(Effect.provide(governed(failing(reason)))))
  }

  it.effect("counts retries in a metric", () =>
    Effect.gen(function*() {
      const before = (yield* Metric.value(LlmGovernor.metrics.retries)).count
      yield* timed
      assert.strictEqual((yield* Metric.value(LlmGovernor.metrics.retries)).count - before, 2)
    }).pipe(Effect.provide(governed(failing(broken, broken)))))

  it.effect("does not count a retry as an attempt of the extraction", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Extraction.extractDetailed(Person, "text"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).attempts, 1)
    }).pipe(Effect.provide(governed(failing(broken, broken)))))

  it.effect("reports retries and waits to the observer of the fiber", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      yield* timed.pipe(
        Effect.provideService(CurrentRequestObserver, {
          onRetry: (error, wait) => seen.push(`${error.reason._tag} ${Duration.toMillis(wait) >= 2000}`),
          onWait: (reason) => seen.push(reason),
          onSend: () => seen.push("sent")
        })
      )
      assert.deepStrictEqual(seen, ["InternalProviderError false", "RateLimitError true", "rate_limited", "sent"])
    }).pipe(Effect.provide(governed(failing(broken, rateLimited("2 seconds"))))))

  describe("streams", () => {
    const request: LlmRequest.LlmRequest = {
      model: "m",
      messages: [{ role: "user", content: "text" }],
      output: { mode: "json_schema", name: "Person", jsonSchema: {} },
      parameters: {}
    }

    it.effect("retries a stream that has not begun", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const fiber = yield* Effect.forkChild(Stream.runCollect(llm.stream(request)))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(fiber)).at(-1)?._tag, "Finish")
        assert.strictEqual((yield* MockLlm.requests).length, 2)
      }).pipe(Effect.provide(governed(failing(broken)))))

    it.effect("does not retry a stream that has begun", () =>
      Effect.gen(function*() {
        const before = (yield* Metric.value(LlmGovernor.metrics.retries)).count
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
                  Stream.fail(new LlmError.LlmError({ provider: "test", reason: broken }))
                )
              })
          })
        )
        const error = yield* Llm.Llm.use((llm) => Effect.flip(Stream.runDrain(llm.stream(request)))).pipe(
          Effect.provide(Layer.provide(LlmGovernor.layer(), breaking))
        )
        assert.strictEqual(error.reason._tag, "InternalProviderError")
        assert.strictEqual(starts, 1)
        assert.strictEqual((yield* Metric.value(LlmGovernor.metrics.retries)).count, before)
      }))
  })
})
