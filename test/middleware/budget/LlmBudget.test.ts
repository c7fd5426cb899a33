import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Result, Schedule, Schema, Stream } from "effect"
import {
  Batch,
  type Completion,
  Extraction,
  Journal,
  Llm,
  LlmBudget,
  LlmCache,
  LlmError,
  LlmGovernor,
  type LlmRequest,
  Pricing,
  Usage
} from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo, parameters: { maxTokens: 1000 } })

const prices = Layer.succeed(Pricing.CurrentPricing, {
  asOf: "2026-11-21",
  source: "test",
  models: { mock: { input: 1, output: 10 } }
})

const budgeted = <A, E>(llm: Layer.Layer<A | Llm.Llm, E>, options: LlmBudget.Options) =>
  LlmBudget.layer(options).pipe(Layer.provideMerge(llm), Layer.merge(prices))

const { snapshot } = LlmBudget
const sent = Effect.map(MockLlm.requests, (requests) => requests.length)

const request: LlmRequest.LlmRequest = {
  model: "mock",
  messages: [{ role: "user", content: "text" }],
  output: { mode: "json_schema", name: "Echo", jsonSchema: {} },
  parameters: { maxTokens: 1000 }
}

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const lost = new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "http://localhost" })

/** Runs an effect and advances the clock until it is done. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 millis")
    return yield* Fiber.join(fiber)
  })

describe("LlmBudget", () => {
  const Case = Schema.Struct({
    seed: Schema.Int,
    concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
    unit: Schema.Literals(["usd", "tokens"]),
    failures: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.5 }))
  })

  it.effect.prop(
    "never exceeds the budget and uses 95 % of it, whatever requests cost and whichever fail",
    [Case],
    ([{ concurrency, failures, seed, unit }]) => {
      // The largest reservation is a twentieth of the budget at most.
      const options = unit === "usd" ? { usd: 0.24 } : { tokens: 24_000 }
      let random = Math.abs(seed) % 2 ** 31
      const next = () => (random = (random * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
      const llm = MockLlm.layer((request) => {
        const delay = Math.floor(next() * 50)
        if (next() < failures) return Effect.delay(Effect.fail(overloaded), delay)
        const outputTokens = 1 + Math.floor(next() * request.parameters.maxTokens!)
        return Reply.delayed(
          Reply.withUsage({ echo: "x" }, { inputTokens: 1 + Math.floor(next() * 60), outputTokens }),
          delay
        )
      }, { model: "mock" })
      return Effect.gen(function*() {
        const provider = yield* Llm.Llm
        let usage = Usage.zero
        let exceeded = 0
        let highest = 0
        const one = Effect.gen(function*() {
          const result = yield* Effect.result(provider.complete(request))
          if (Result.isSuccess(result)) usage = Usage.add(usage, result.success.usage)
          else if (result.failure.reason._tag === "BudgetExceededError") exceeded++
          const { reserved, spent } = yield* snapshot
          highest = Math.max(highest, unit === "usd" ? spent.usd + reserved.usd : spent.tokens + reserved.tokens)
        })
        yield* run(Effect.forEach(Array.from({ length: 400 }), () => one, { concurrency, discard: true }))
        const budget = unit === "usd" ? 0.24 : 24_000
        const spent = unit === "usd" ? usage.usd : Usage.totalTokens(usage)
        assert.isAtMost(spent, budget)
        assert.isAtMost(highest, budget)
        assert.isAbove(exceeded, 0)
        assert.isAtLeast(spent, budget * 0.95)
        const end = yield* snapshot
        assert.deepStrictEqual(end.reserved, { usd: 0, tokens: 0 })
        assert.closeTo(unit === "usd" ? end.spent.usd : end.spent.tokens, spent, 1e-6)
      }).pipe(Effect.provide(budgeted(llm, options)))
    },
    { arbitrary: { runs: 30 } }
  )

  it.effect("fails with BudgetExceeded when the budget does not cover a request, which stops a batch", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Extraction.extract(echo, "x"))
      assert.strictEqual(error.reason._tag, "BudgetExceeded")
      assert.isTrue(error.isUnrecoverable)
      assert.include(error.message, "budget of $0.001")
      assert.strictEqual(yield* sent, 0)
      const results = yield* Batch.results(echo, ["a", "b", "c"])
      assert.deepStrictEqual(
        results.map((result) => Result.isFailure(result) ? result.failure.reason._tag : ""),
        ["BudgetExceeded", "BudgetExceeded", "BudgetExceeded"]
      )
    }).pipe(Effect.provide(budgeted(MockLlm.layer(() => ({ echo: "x" })), { usd: 0.001 }))))

  it.effect("leaves items that the budget does not cover pending, so that a run with a larger budget resumes them", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
      const llm = MockLlm.layer(
        (request) =>
          Reply.withUsage({ echo: request.messages[1]?.content as string }, { inputTokens: 100, outputTokens: 900 }),
        { model: "mock" }
      )
      const attempt = (usd: number) =>
        Effect.gen(function*() {
          const items: Array<Batch.Item<typeof Echo.Type, string>> = []
          const end = yield* Batch.resumable(echo, texts, { concurrency: 4 }).pipe(
            Stream.runForEach((item) => Effect.sync(() => items.push(item))),
            Effect.result
          )
          return { items, end, sent: yield* sent }
        }).pipe(Effect.provide(budgeted(llm, { usd })))
      const first = yield* attempt(0.1)
      assert.isTrue(Result.isFailure(first.end) && first.end.failure.reason._tag === "Unrecoverable")
      assert.isAbove(first.sent, 5)
      assert.isBelow(first.sent, 12)
      assert.isTrue(first.items.every(({ result }) => Result.isSuccess(result)))
      const second = yield* attempt(1)
      assert.isTrue(Result.isSuccess(second.end))
      assert.strictEqual(second.items.length, 20)
      assert.strictEqual(first.sent + second.sent, 20)
      assert.strictEqual(second.items.filter(({ restored }) => restored).length, first.sent)
    }).pipe(Effect.provide(Journal.layerMemory)))

  it.effect("sets maxTokens on requests without one, and keeps that of others", () =>
    Effect.gen(function*() {
      yield* Extraction.extract(Echo, "x")
      yield* Extraction.extract(echo, "x")
      const requests = yield* MockLlm.requests
      assert.deepStrictEqual(requests.map(({ parameters }) => parameters), [{ maxTokens: 77 }, { maxTokens: 1000 }])
    }).pipe(
      Effect.provide(budgeted(MockLlm.layer(() => ({ echo: "x" })), { tokens: 10_000, maxOutputTokens: 77 }))
    ))

  it.effect("sends nothing to a model without a known price if the budget is in dollars", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Extraction.extract(Extraction.make({ schema: Echo, model: "mystery" }), "x"))
      assert.strictEqual(error.reason._tag, "BudgetExceeded")
      assert.include(error.message, "price of mystery is unknown")
      assert.strictEqual(yield* sent, 0)
    }).pipe(Effect.provide(budgeted(MockLlm.layer(() => ({ echo: "x" })), { usd: 5 }))))

  it.effect("counts the reservation of a request that broke off or was abandoned, and nothing for one that was refused", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      yield* Effect.flip(llm.complete(request))
      assert.deepStrictEqual((yield* snapshot).spent, { usd: 0, tokens: 0 })
      yield* Effect.flip(llm.complete(request))
      const { spent } = yield* snapshot
      assert.isAtLeast(spent.tokens, 1000)
      const fiber = yield* Effect.forkChild(llm.complete(request))
      yield* TestClock.adjust("1 second")
      assert.isAtLeast((yield* snapshot).reserved.tokens, 1000)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* snapshot, {
        spent: { usd: spent.usd * 2, tokens: spent.tokens * 2 },
        reserved: { usd: 0, tokens: 0 }
      })
    }).pipe(
      Effect.provide(budgeted(
        MockLlm.layer((_, call) =>
          call === 0 ? Effect.fail(overloaded) : call === 1 ? Effect.fail(lost) : Effect.never
        ),
        { usd: 1 }
      ))
    ))

  it.effect("frees the place of an interrupted request that was waiting for the budget", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const first = yield* Effect.forkChild(llm.complete(request))
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.forkChild(llm.complete(request))
      const third = yield* Effect.forkChild(llm.complete(request))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sent, 1)
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(third)
      assert.strictEqual(yield* sent, 2)
    }).pipe(
      Effect.provide(budgeted(MockLlm.layer(() => Reply.delayed({ echo: "x" }, "1 minute")), { tokens: 2000 }))
    ))

  it.effect("applies to streams", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const parts = yield* Stream.runCollect(llm.stream(request))
      assert.strictEqual(parts.at(-1)?._tag, "Finish")
      assert.deepStrictEqual(yield* snapshot, {
        spent: { usd: 0.005_05, tokens: 550 },
        reserved: { usd: 0, tokens: 0 }
      })
      // A stream that is not read to its end counts as reserved.
      yield* llm.stream(request).pipe(Stream.take(1), Stream.runDrain)
      const { reserved, spent } = yield* snapshot
      assert.isAtLeast(spent.tokens, 1550)
      assert.deepStrictEqual(reserved, { usd: 0, tokens: 0 })
      const error = yield* Effect.flip(Stream.runDrain(llm.stream(request)))
      assert.strictEqual(error.reason._tag, "BudgetExceededError")
    }).pipe(
      Effect.provide(budgeted(
        MockLlm.layer(() => Reply.withUsage({ echo: "some text" }, { inputTokens: 50, outputTokens: 500 })),
        { usd: 0.02 }
      ))
    ))

  it.effect("counts nothing for answers from a cache", () =>
    Effect.gen(function*() {
      const values = yield* Effect.forEach(Array.from({ length: 50 }), () => Extraction.extract(echo, "x"))
      assert.strictEqual(values.length, 50)
      assert.strictEqual(yield* sent, 1)
    }).pipe(
      Effect.provide(
        LlmCache.layer().pipe(
          Layer.provideMerge(budgeted(MockLlm.layer(() => ({ echo: "x" })), { tokens: 2000 }))
        )
      )
    ))

  for (
    const [name, options] of [
      ["usd", { usd: Number.NaN }],
      ["tokens", { tokens: -5 }],
      ["maxOutputTokens", { tokens: 5, maxOutputTokens: 0 }]
    ] as const
  ) {
    it.effect(`dies when it is built with a ${name} out of range`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.provide(Effect.void, budgeted(MockLlm.layer([]), options)))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.include(String(exit), `LlmBudget: ${name} must be`)
      }))
  }

  describe("around retries", () => {
    const governed = { retry: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 10 })) }
    const orders = {
      "in front of the governor": (provider: Layer.Layer<Llm.Llm>, options: LlmBudget.Options) =>
        LlmBudget.layer(options).pipe(Layer.provideMerge(LlmGovernor.layer(governed)), Layer.provide(provider)),
      "behind the governor": (provider: Layer.Layer<Llm.Llm>, options: LlmBudget.Options) =>
        LlmGovernor.layer(governed).pipe(Layer.provideMerge(LlmBudget.layer(options)), Layer.provide(provider))
    }
    const error = (reason: LlmError.Reason) => new LlmError.LlmError({ provider: "test", reason })
    const answer: Completion.Completion = {
      id: "",
      model: "mock",
      text: "{}",
      toolCalls: [],
      finishReason: "stop",
      usage: { ...Usage.zero, inputTokens: 10, outputTokens: 20 }
    }

    for (const [order, layer] of Object.entries(orders)) {
      it.effect(`settles every retry by itself, ${order}`, () =>
        Effect.gen(function*() {
          let calls = 0
          const provider = Layer.succeed(
            Llm.Llm,
            Llm.make({
              provider: "test",
              model: "mock",
              complete: () => Effect.suspend(() => calls++ < 2 ? Effect.fail(error(lost)) : Effect.succeed(answer)),
              stream: () =>
                Stream.suspend(() =>
                  calls++ < 2 ?
                    Stream.fail(error(lost)) :
                    Stream.succeed<Completion.CompletionPart>({ _tag: "Finish", completion: answer })
                )
            })
          )
          for (
            const send of [
              Llm.Llm.use((llm) => llm.complete(request)),
              Llm.Llm.use((llm) => Stream.runDrain(llm.stream(request)))
            ]
          ) {
            calls = 0
            yield* Effect.gen(function*() {
              yield* run(send)
              assert.strictEqual(calls, 3)
              const { reserved, spent } = yield* snapshot
              assert.deepStrictEqual(reserved, { usd: 0, tokens: 0 })
              assert.isAtLeast(spent.tokens, 2 * 1000 + 30)
              assert.isBelow(spent.tokens, 2 * 1200 + 30)
            }).pipe(Effect.provide(layer(provider, { tokens: 100_000 })))
          }
        }))

      it.effect(`sends no retry that the budget does not cover, ${order}`, () =>
        Effect.gen(function*() {
          let calls = 0
          const provider = Layer.succeed(
            Llm.Llm,
            Llm.make({
              provider: "test",
              model: "mock",
              complete: () =>
                Effect.suspend(() => {
                  calls++
                  return Effect.fail(error(lost))
                })
            })
          )
          yield* Effect.gen(function*() {
            const failure = yield* run(Effect.flip(Llm.Llm.use((llm) => llm.complete(request))))
            assert.strictEqual(failure.reason._tag, "BudgetExceededError")
            assert.strictEqual(calls, 3)
            assert.isAtMost((yield* snapshot).spent.tokens, 4000)
          }).pipe(Effect.provide(layer(provider, { tokens: 4000 })))
        }))
    }

    it.effect("reserves nothing for requests that time out while they wait in a governor", () =>
      Effect.gen(function*() {
        const waiting = Extraction.make({ schema: Echo, parameters: { maxTokens: 1000 }, timeout: "1 minute" })
        const first = yield* Effect.forkChild(Extraction.extract(echo, "first"))
        yield* TestClock.adjust("1 second")
        const others = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 40 }), () => Effect.flip(Extraction.extract(waiting, "x")), {
            concurrency: "unbounded"
          })
        )
        yield* TestClock.adjust("2 minutes")
        const errors = yield* Fiber.join(others)
        assert.deepStrictEqual(errors.map(({ reason }) => reason._tag), errors.map(() => "TimedOut"))
        const { spent } = yield* snapshot
        assert.deepStrictEqual(spent, { usd: 0, tokens: 0 })
        yield* Fiber.interrupt(first)
      }).pipe(
        Effect.provide(
          LlmBudget.layer({ tokens: 5000 }).pipe(
            Layer.provide(LlmGovernor.layer({ concurrency: 1 })),
            Layer.provide(MockLlm.layer(() => Effect.never))
          )
        )
      ))

    it.effect("counts both budgets where one is behind another", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(echo, "x")
        const inner = yield* Effect.flip(Extraction.extract(echo, "x".repeat(5000)))
        assert.strictEqual(inner.reason._tag, "BudgetExceeded")
        assert.include(inner.message, "budget of 3000 tokens")
        const { reserved, spent } = yield* snapshot
        assert.deepStrictEqual([reserved.tokens, spent.tokens], [0, 200])
      }).pipe(
        Effect.provide(
          LlmBudget.layer({ tokens: 100_000 }).pipe(
            Layer.provide(LlmBudget.layer({ tokens: 3000 })),
            Layer.provide(MockLlm.layer(() => Reply.withUsage({ echo: "x" }, { inputTokens: 100, outputTokens: 100 })))
          )
        )
      ))

    it.effect("meters a service that was not made by Llm.make as a whole", () =>
      Effect.gen(function*() {
        const bare = Llm.make({ provider: "test", model: "mock", complete: () => Effect.succeed(answer) })
        const { complete, dialect, model, origin, pricing, provider, stream } = bare
        const literal = { complete, dialect, model, origin, pricing, provider, stream }
        yield* Effect.gen(function*() {
          yield* Llm.Llm.use((llm) => llm.complete(request))
          yield* Llm.Llm.use((llm) => Stream.runDrain(llm.stream(request)))
          assert.deepStrictEqual(yield* snapshot, {
            spent: { usd: 0, tokens: 60 },
            reserved: { usd: 0, tokens: 0 }
          })
        }).pipe(Effect.provide(LlmBudget.layer({ tokens: 9000 }).pipe(Layer.provide(Layer.succeed(Llm.Llm, literal)))))
      }))
  })

  describe("the cost of a failure", () => {
    const { zero } = Usage
    const url = "http://localhost"
    const cases: ReadonlyArray<readonly [name: string, fields: Partial<LlmError.LlmError>, isBilled: boolean]> = [
      ["a refused rate limit", { reason: new AiError.RateLimitError({}) }, false],
      ["a 500", { reason: overloaded, status: 500 }, false],
      ["a 502 from a gateway", { reason: overloaded, status: 502 }, true],
      ["a 504 from a gateway", { reason: overloaded, status: 504 }, true],
      ["a 503", { reason: new LlmError.OverloadedError({ description: "busy" }), status: 503 }, false],
      ["a broken connection", { reason: lost }, true],
      ["a refused connection", {
        reason: new AiError.NetworkError({
          reason: "TransportError",
          method: "POST",
          url,
          description: "connect ECONNREFUSED 127.0.0.1:1"
        })
      }, false],
      ["an unknown host", { reason: lost, code: "ENOTFOUND" }, false],
      ["an unusable URL", {
        reason: new AiError.NetworkError({ reason: "InvalidUrlError", method: "POST", url })
      }, false],
      ["a response that cannot be read", { reason: new AiError.InvalidResponseError({ description: "?" }) }, true],
      ["an answer that broke off", { reason: new LlmError.IncompleteResponseError({ description: "?" }) }, true],
      ["a content policy", { reason: new AiError.ContentPolicyError({ description: "?" }) }, true],
      ["an unknown failure", { reason: new AiError.UnknownError({}) }, true]
    ]
    for (const [name, fields, isBilled] of cases) {
      it.effect(`is ${isBilled ? "the reservation" : "nothing"} for ${name}`, () =>
        Effect.gen(function*() {
          yield* Effect.flip(Llm.Llm.use((llm) => llm.complete(request)))
          const { spent } = yield* snapshot
          assert.strictEqual(spent.tokens > 0, isBilled)
        }).pipe(Effect.provide(budgeted(
          Layer.succeed(
            Llm.Llm,
            Llm.make({
              provider: "test",
              model: "mock",
              complete: () => Effect.fail(new LlmError.LlmError({ provider: "test", reason: lost, ...fields }))
            })
          ),
          { tokens: 10_000 }
        ))))
    }

    it.effect("is the usage that the provider reports with it", () =>
      Effect.gen(function*() {
        yield* Effect.flip(Llm.Llm.use((llm) => llm.complete(request)))
        assert.strictEqual((yield* snapshot).spent.tokens, 12)
      }).pipe(Effect.provide(budgeted(
        Layer.succeed(
          Llm.Llm,
          Llm.make({
            provider: "test",
            model: "mock",
            complete: () =>
              Effect.fail(
                new LlmError.LlmError({
                  provider: "test",
                  reason: lost,
                  usage: { ...zero, inputTokens: 5, outputTokens: 7 }
                })
              )
          })
        ),
        { tokens: 10_000 }
      ))))
  })

  describe("interruption", () => {
    const Storm = Schema.Struct({ seed: Schema.Int, streams: Schema.Boolean })

    it.effect.prop("at any time leaves no reservation and never exceeds the budget", [Storm], ([{ seed, streams }]) => {
      let random = Math.abs(seed) % 2 ** 31
      const next = () => (random = (random * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
      const llm = MockLlm.layer((request) =>
        Reply.delayed(
          Reply.withUsage({ echo: "x" }, {
            inputTokens: 50,
            outputTokens: Math.floor(next() * request.parameters.maxTokens!)
          }),
          Math.floor(next() * 20)
        ), { model: "mock" })
      return Effect.gen(function*() {
        const provider = yield* Llm.Llm
        const one = Effect.suspend(() => {
          const sized = { ...request, parameters: { maxTokens: 1 + Math.floor(next() * 3000) } }
          return streams ? Stream.runDrain(provider.stream(sized)) : provider.complete(sized)
        })
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let step = 0; step < 300; step++) {
          fibers.push(yield* Effect.forkChild(one))
          if (next() < 0.4) fibers[Math.floor(next() * fibers.length)]!.interruptUnsafe()
          if (next() < 0.3) yield* TestClock.adjust(Math.floor(next() * 8))
          if (next() < 0.1) { for (const fiber of fibers.slice(-5)) fiber.interruptUnsafe() }
          const { reserved, spent } = yield* snapshot
          assert.isAtLeast(reserved.tokens, 0)
          assert.isAtMost(reserved.tokens + spent.tokens, 100_000)
        }
        yield* TestClock.adjust("1 minute")
        yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
        assert.deepStrictEqual((yield* snapshot).reserved, { usd: 0, tokens: 0 })
      }).pipe(Effect.provide(budgeted(llm, { tokens: 100_000 })))
    }, { arbitrary: { runs: 30 } })
  })
})
