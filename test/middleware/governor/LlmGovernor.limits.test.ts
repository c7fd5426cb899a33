import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer, Metric, Option, Ref, Result, Schema, Stream } from "effect"
import {
  Batch,
  type Completion,
  Extraction,
  GovernorMetrics,
  Llm,
  LlmGovernor,
  LlmPriority,
  type LlmRequest,
  Usage
} from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const request = (text: string, parameters: LlmRequest.Parameters = {}, model = "m"): LlmRequest.LlmRequest => ({
  model,
  messages: [{ role: "user", content: text }],
  output: { mode: "json_schema", name: "Person", jsonSchema: {} },
  parameters
})

const completion = (fields: Partial<Completion.Completion> = {}): Completion.Completion => ({
  id: "1",
  model: "m",
  text: "{}",
  toolCalls: [],
  finishReason: "stop",
  usage: Usage.zero,
  ...fields
})

interface Sent {
  readonly text: string
  readonly model: string
  readonly at: number
  readonly maxTokens: number | undefined
}

/** A provider that remembers what was sent when, and answers as it is told. */
const provider = (
  answer: (request: Sent, call: number) => Effect.Effect<Completion.Completion, AiError.AiErrorReason>
) => {
  const sent: Array<Sent> = []
  const llm = Llm.make({
    provider: "test",
    model: "m",
    complete: ({ messages, model, parameters }) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const one = { text: messages[0]!.content as string, model, at, maxTokens: parameters.maxTokens }
        return Effect.mapError(
          answer(one, sent.push(one) - 1),
          (reason) => AiError.make({ module: "test", method: "complete", reason })
        )
      })
  })
  return { sent, llm: Layer.succeed(Llm.Llm, llm) }
}

const governed = (options: LlmGovernor.Options, llm: Layer.Layer<Llm.Llm>) =>
  Layer.build(Layer.provide(LlmGovernor.layer(options), llm)).pipe(
    Effect.map((context) => ({
      llm: Context.get(context, Llm.Llm),
      snapshot: Context.get(context, LlmGovernor.LlmGovernor).snapshot
    }))
  )

const rateLimited = (retryAfter: Duration.Input, metadata: AiError.ProviderMetadata = {}) =>
  new AiError.RateLimitError({ retryAfter: Duration.fromInputUnsafe(retryAfter), metadata })
const overloaded = new AiError.InternalProviderError({
  description: "overloaded",
  metadata: { "effect-instructor": { overloaded: true } }
})

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
const all = <A, E, R>(effects: Iterable<Effect.Effect<A, E, R>>) =>
  Effect.forkChild(Effect.all(effects, { concurrency: "unbounded" }), { startImmediately: true })

describe("LlmGovernor", () => {
  describe("requests a minute", () => {
    it.effect("are sent evenly, none before its time", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* all(numbers(10).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ at }) => at), numbers(10).map((i) => i * 1000))
        assert.deepStrictEqual(sent.map(({ text }) => text), numbers(10).map(String))
      }))

    it.effect("are those of the provider, as soon as it tells them", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() =>
          Effect.succeed(
            completion({ rateLimit: { requests: { limit: 60, remaining: 20, resetAfter: Duration.seconds(40) } } })
          )
        )
        const { llm, snapshot } = yield* governed({}, provided)
        yield* llm.complete(request("first"))
        const fiber = yield* all(numbers(5).map((i) => llm.complete(request(`${i}`))))
        assert.deepStrictEqual((yield* snapshot).models, [
          { model: "m", requests: { perMinute: 60, remaining: 20 }, tokens: undefined, queued: 5 }
        ])
        assert.deepInclude((yield* snapshot).waiting, { reason: "requests" })
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ at }) => at / 1000), [0, 1, 2, 3, 4, 5])
      }))

    it.effect("go out faster while much of a minute's limit is left", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          Effect.succeed(
            completion({ rateLimit: { requests: { limit: 60, remaining: 59 - call, resetAfter: Duration.zero } } })
          )
        )
        const { llm } = yield* governed({}, provided)
        yield* llm.complete(request("first"))
        const fiber = yield* all(numbers(20).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        assert.strictEqual(sent.length, 21)
      }))

    it.effect("are those of the user, where they are fewer", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() =>
          Effect.succeed(
            completion({ rateLimit: { requests: { limit: 6000, remaining: 5999, resetAfter: Duration.zero } } })
          )
        )
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* all(numbers(5).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ at }) => at / 1000), [0, 1, 2, 3, 4])
      }))

    it.effect("are counted for each model", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* all(
          ["a", "b"].flatMap((model) => numbers(3).map(() => llm.complete(request("", {}, model))))
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        for (const model of ["a", "b"]) {
          assert.deepStrictEqual(sent.filter((one) => one.model === model).map(({ at }) => at), [0, 1000, 2000])
        }
      }))
  })

  describe("tokens a minute", () => {
    it.effect("count the prompt and the most the answer may have", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ tokensPerMinute: 60_000, countTokens: () => 493 }, provided)
        // 493 and what messages are framed with: 500, and as many for the answer. A second each.
        const fiber = yield* all(numbers(4).map((i) => llm.complete(request(`${i}`, { maxTokens: 500 }))))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        const gaps = sent.slice(1).map(({ at }, i) => at - sent[i]!.at)
        assert.deepStrictEqual(gaps.slice(1), [1000, 1000])
      }))

    it.effect("let a request through that is larger than what is left of a second", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ tokensPerMinute: 6_000 }, provided)
        const fiber = yield* all(numbers(2).map((i) => llm.complete(request(`${i}`, { maxTokens: 8_000 }))))
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
        assert.strictEqual(sent.length, 2)
        assert.isAtLeast(sent[1]!.at, 60_000)
      }))
  })

  describe("a refusal for a rate limit", () => {
    it.effect("stops everyone until the server's time, and goes first then", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 1 ? Effect.fail(rateLimited("10 seconds")) : Effect.as(Effect.sleep("1 second"), completion())
        )
        const { llm } = yield* governed({ requestsPerMinute: 600 }, provided)
        const fiber = yield* all(numbers(5).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ text }) => text), ["0", "1", "1", "2", "3", "4"])
        assert.isAtLeast(sent[2]!.at, 10_000)
        assert.isAtMost(sent[2]!.at, 12_000)
      }))

    it.effect("loses nothing, however often it comes", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          call < 50 ? Effect.fail(rateLimited("1 second")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ maxRetries: 0 }, provided)
        const fiber = yield* all(numbers(5).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual((yield* Fiber.join(fiber)).length, 5)
      }))

    it.effect("is not put up with for ever", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.fail(rateLimited("1 second")))
        const { llm } = yield* governed({ giveUpAfter: "5 minutes" }, provided)
        const fiber = yield* Effect.forkChild(Effect.flip(llm.complete(request(""))))
        yield* TestClock.adjust("4 minutes")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "RateLimitError")
      }))

    it.effect("slows the pace down where it tells of no limit, and that for a while", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 0 ? Effect.fail(rateLimited("1 second")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* all(numbers(60).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
        const gaps = sent.slice(2).map(({ at }, i) => at - sent[i + 1]!.at)
        assert.isAbove(gaps[0]!, 1200)
        assert.isBelow(gaps.at(-1)!, gaps[0]!)
      }))

    it.effect("for growing too fast halves the pace", () =>
      Effect.gen(function*() {
        const slowDown = rateLimited("1 second", { "effect-instructor": { limitKind: "slow_down" } })
        const { llm: provided, sent } = provider((_, call) =>
          call === 0 ? Effect.fail(slowDown) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const before = (yield* Metric.value(kind("slow_down"))).count
        const fiber = yield* all(numbers(5).map((i) => llm.complete(request(`${i}`))))
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
        assert.isAbove(sent[3]!.at - sent[2]!.at, 1900)
        assert.strictEqual((yield* Metric.value(kind("slow_down"))).count - before, 1)
      }))
  })

  describe("concurrency", () => {
    it.effect("is never above the number given", () =>
      Effect.gen(function*() {
        const mock = MockLlm.layer(() => ({ name: "Ada" }), { delay: "1 second" })
        const layer = Layer.provideMerge(LlmGovernor.layer({ concurrency: 3 }), mock)
        yield* Effect.gen(function*() {
          const llm = yield* Llm.Llm
          const fiber = yield* all(numbers(10).map((i) => llm.complete(request(`${i}`))))
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          assert.strictEqual(yield* MockLlm.maxInFlight, 3)
        }).pipe(Effect.provide(layer))
      }))

    it.effect("grows while the server takes it, and is cut once by a burst of refusals", () =>
      Effect.gen(function*() {
        let inFlight = 0
        const { llm: provided } = provider(() =>
          inFlight >= 40 ? Effect.fail(overloaded) : Effect.suspend(() => {
            inFlight++
            return Effect.ensuring(
              Effect.as(Effect.sleep("1 second"), completion()),
              Effect.sync(() => inFlight--)
            )
          })
        )
        const { llm, snapshot } = yield* governed({ maxRetries: 20 }, provided)
        const fiber = yield* all(numbers(2000).map((i) => llm.complete(request(`${i}`))))
        const sizes: Array<number> = []
        for (const _ of numbers(40)) {
          yield* TestClock.adjust("1 second")
          sizes.push((yield* snapshot).concurrency)
        }
        assert.strictEqual((yield* snapshot).inFlight > 30, true)
        for (const size of sizes.slice(10)) assert.isTrue(size >= 30 && size <= 42, String(sizes))
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("is given back by whoever goes away, waiting or sent", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.as(Effect.sleep("1 second"), completion()))
        const { llm, snapshot } = yield* governed({ concurrency: 1 }, provided)
        const first = yield* all([llm.complete(request("first"))])
        const second = yield* all([llm.complete(request("second"))])
        const third = yield* all([llm.complete(request("third"))])
        yield* Effect.yieldNow
        assert.deepInclude(yield* snapshot, { inFlight: 1, queued: 2 })
        assert.deepStrictEqual((yield* snapshot).waiting, { reason: "concurrency", wait: undefined })
        yield* Fiber.interrupt(second)
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(third)
        assert.deepStrictEqual(sent.map(({ text }) => text), ["first", "third"])
        assert.deepInclude(yield* snapshot, { inFlight: 0, queued: 0 })
      }))
  })

  describe("an outage", () => {
    it.effect("burns no input: one request at a time finds out when it is over", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(({ at }) =>
          at < 600_000 ? Effect.fail(overloaded) : Effect.succeed(completion())
        )
        const { llm, snapshot } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(100).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* snapshot).waiting?.reason, "outage")
        yield* TestClock.adjust("11 minutes")
        const results = yield* Fiber.join(fiber)
        assert.isTrue(results.every(Result.isSuccess))
        const during = sent.filter(({ at }) => at > 10_000 && at < 600_000)
        assert.isBelow(during.length, 15)
      }))

    it.effect("that does not end fails those who have waited long enough", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.fail(overloaded))
        const { llm } = yield* governed({ concurrency: 20, giveUpAfter: "5 minutes" }, provided)
        const fiber = yield* all(numbers(100).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("4 minutes")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("10 minutes")
        assert.isTrue((yield* Fiber.join(fiber)).every(Result.isFailure))
      }))

    it.effect("is not what one request that keeps failing makes", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ text }) =>
          text === "poison" ? Effect.fail(overloaded) : Effect.succeed(completion())
        )
        const { llm, snapshot } = yield* governed({ maxRetries: 30 }, provided)
        const fiber = yield* Effect.forkChild(Effect.result(llm.complete(request("poison"))))
        yield* TestClock.adjust("5 minutes")
        assert.notStrictEqual((yield* snapshot).waiting?.reason, "outage")
        yield* llm.complete(request("other"))
        yield* Fiber.interrupt(fiber)
      }))
  })

  describe("turns", () => {
    it.effect("go by priority", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* all([
          llm.complete(request("first")),
          LlmPriority.withPriority(llm.complete(request("low")), "low"),
          llm.complete(request("normal")),
          LlmPriority.withPriority(llm.complete(request("high")), "high")
        ])
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ text }) => text), ["first", "high", "normal", "low"])
      }))

    it.effect("are shared between batches, however long one of them is", () =>
      Effect.gen(function*() {
        const Name = Schema.Struct({ name: Schema.String })
        const layer = Layer.provideMerge(
          LlmGovernor.layer({ requestsPerMinute: 60 }),
          MockLlm.layer(() => ({ name: "Ada" }))
        )
        yield* Effect.gen(function*() {
          const long = yield* Effect.forkChild(
            Batch.results(Name, numbers(100).map((i) => `long ${i}`), { concurrency: 100 }),
            { startImmediately: true }
          )
          yield* TestClock.adjust("10 seconds")
          const short = yield* Effect.forkChild(
            Batch.results(Name, numbers(5).map((i) => `short ${i}`), { concurrency: 5 }),
            { startImmediately: true }
          )
          yield* TestClock.adjust("12 seconds")
          assert.strictEqual((yield* Fiber.join(short)).length, 5)
          assert.isUndefined(long.pollUnsafe())
          yield* Fiber.interrupt(long)
        }).pipe(Effect.provide(layer))
      }))

    it.effect("are for reasks before first requests", () =>
      Effect.gen(function*() {
        const Age = Schema.Struct({ age: Schema.Int })
        const layer = Layer.provideMerge(
          LlmGovernor.layer({ requestsPerMinute: 60 }),
          MockLlm.layer((_, call) => call === 0 ? { age: "old" } : { age: 1 })
        )
        yield* Effect.gen(function*() {
          const fiber = yield* all(numbers(5).map((i) => Extraction.extract(Age, `text ${i}`)))
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          const texts = (yield* MockLlm.requests).map(({ messages }) => messages.length > 2 ? "reask" : "first")
          assert.deepStrictEqual(texts, ["first", "reask", "first", "first", "first", "first"])
        }).pipe(Effect.provide(layer))
      }))
  })

  it.effect.prop(
    "answers every request once, whatever their priorities, flows and failures",
    [Schema.Array(Schema.Struct({
      flow: Schema.Literals(["a", "b", "c"]),
      priority: Schema.Literals(["high", "normal", "low"]),
      failures: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
      refused: Schema.Boolean
    }))],
    ([items]) =>
      Effect.gen(function*() {
        const left = new Map(items.map(({ failures }, i) => [String(i), failures]))
        const { llm: provided } = provider(({ text }) => {
          const failures = left.get(text)!
          if (failures === 0) return Effect.as(Effect.sleep("100 millis"), completion({ text }))
          left.set(text, failures - 1)
          return Effect.fail(items[Number(text)]!.refused ? rateLimited("1 second") : overloaded)
        })
        const { llm, snapshot } = yield* governed({ concurrency: 4, requestsPerMinute: 6000 }, provided)
        const fiber = yield* all(items.map(({ flow, priority }, i) =>
          llm.complete(request(`${i}`)).pipe(
            LlmPriority.withPriority(priority),
            Effect.provideService(LlmPriority.CurrentLlmFlow, flow)
          )
        ))
        yield* TestClock.adjust("30 minutes")
        assert.deepStrictEqual((yield* Fiber.join(fiber)).map(({ text }) => text), items.map((_, i) => String(i)))
        assert.deepInclude(yield* snapshot, { inFlight: 0, queued: 0 })
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 50 } }
  )

  describe("adaptive maxTokens", () => {
    const outputs = (tokens: number) => ({ ...Usage.zero, inputTokens: 10, outputTokens: tokens })

    it.effect("asks for what answers need, and again in full where that is too little", () =>
      Effect.gen(function*() {
        const asked = request("", { maxTokens: 4096 })
        const { llm: provided, sent } = provider(({ maxTokens = 0 }, call) => {
          const needs = call === 30 ? 1000 : 100
          return Effect.succeed(
            needs > maxTokens
              ? completion({ text: "{", finishReason: "length", usage: outputs(maxTokens) })
              : completion({ usage: outputs(needs) })
          )
        })
        const { llm } = yield* governed({ adaptiveMaxTokens: true }, provided)
        for (const _ of numbers(30)) yield* llm.complete(asked)
        const cut = yield* llm.complete(asked)
        assert.deepStrictEqual(sent.slice(29).map(({ maxTokens }) => maxTokens), [4096, 150, 4096])
        assert.strictEqual(cut.finishReason, "stop")
        assert.strictEqual(cut.usage.outputTokens, 250)
      }))

    it.effect("is not on by itself", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion({ usage: outputs(100) })))
        const { llm } = yield* governed({}, provided)
        const asked = request("", { maxTokens: 4096 })
        for (const _ of numbers(40)) yield* llm.complete(asked)
        assert.isTrue(sent.every(({ maxTokens }) => maxTokens === 4096))
      }))
  })

  describe("streams", () => {
    it.effect("are paced like any request, and hold their place to the end", () =>
      Effect.gen(function*() {
        const mock = MockLlm.layer(() => ({ name: "a name of some length" }), { chunkDelay: "1 second" })
        const layer = Layer.provideMerge(LlmGovernor.layer({ concurrency: 1 }), mock)
        yield* Effect.gen(function*() {
          const llm = yield* Llm.Llm
          const fiber = yield* all(numbers(3).map((i) => Stream.runDrain(llm.stream(request(`${i}`)))))
          yield* TestClock.adjust("2 seconds")
          assert.strictEqual((yield* MockLlm.requests).length, 1)
          assert.deepInclude(yield* LlmGovernor.snapshot, { inFlight: 1, queued: 2 })
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          assert.strictEqual((yield* MockLlm.requests).length, 3)
          assert.deepInclude(yield* LlmGovernor.snapshot, { inFlight: 0, queued: 0 })
        }).pipe(Effect.provide(layer))
      }))

    it.effect("give their place back when nobody wants the rest", () =>
      Effect.gen(function*() {
        const mock = MockLlm.layer(() => Reply.text("a text of some length"))
        const layer = Layer.provideMerge(LlmGovernor.layer({ concurrency: 1 }), mock)
        yield* Effect.gen(function*() {
          const llm = yield* Llm.Llm
          const first = yield* Stream.runHead(Stream.rechunk(llm.stream(request("")), 1))
          assert.isTrue(Option.isSome(first))
          assert.deepInclude(yield* LlmGovernor.snapshot, { inFlight: 0, queued: 0 })
        }).pipe(Effect.provide(layer))
      }))
  })

  it.effect("tells in events of the span what a request waited for", () =>
    Effect.gen(function*() {
      const { llm: provided } = provider((_, call) =>
        call === 0 ? Effect.fail(rateLimited("2 seconds")) : Effect.succeed(completion())
      )
      const { llm } = yield* governed({}, provided)
      const events = yield* Ref.make<ReadonlyArray<string>>([])
      const fiber = yield* Effect.forkChild(
        Effect.useSpan("test", (span) => {
          const original = span.event.bind(span)
          span.event = (name, ...rest) => {
            Effect.runSync(Ref.update(events, (names) => [...names, name]))
            original(name, ...rest)
          }
          return Effect.withParentSpan(llm.complete(request("")), span)
        })
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* Ref.get(events), ["llm.retry", "llm.admitted"])
    }))

  it.effect("counts what it lets through and what waited", () =>
    Effect.gen(function*() {
      const { llm: provided } = provider(() => Effect.succeed(completion()))
      const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
      const waits = Metric.withAttributes(GovernorMetrics.waits, { reason: "requests" })
      const before = [(yield* Metric.value(GovernorMetrics.admitted)).count, (yield* Metric.value(waits)).count]
      const fiber = yield* all(numbers(3).map((i) => llm.complete(request(`${i}`))))
      assert.strictEqual((yield* Metric.value(GovernorMetrics.queued)).value, 2)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const after = [(yield* Metric.value(GovernorMetrics.admitted)).count, (yield* Metric.value(waits)).count]
      assert.deepStrictEqual(after.map((count, i) => count - before[i]!), [3, 2])
      assert.strictEqual((yield* Metric.value(GovernorMetrics.queued)).value, 0)
    }))
})

const kind = (kind: string) => Metric.withAttributes(GovernorMetrics.rateLimited, { kind })
