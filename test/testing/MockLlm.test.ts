import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schema, Stream } from "effect"
import { Extraction, Llm, LlmError, type LlmRequest, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const extract = (text: string) => Effect.map(Extraction.extract(Echo, text), ({ echo }) => echo)

const request: LlmRequest.LlmRequest = {
  model: "m",
  messages: [{ role: "user", content: "x" }],
  output: { mode: "json_schema", name: "Echo", jsonSchema: {} },
  parameters: {}
}

const complete = (request: LlmRequest.LlmRequest) => Llm.Llm.use((llm) => llm.complete(request))

describe("MockLlm", () => {
  it.effect("answers from a list, in order", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* extract("x"), "one")
      assert.strictEqual(yield* extract("x"), "two")
      assert.include((yield* Effect.flip(extract("x"))).message, "the script has 2 replies, and this is request 3")
    }).pipe(Effect.provide(MockLlm.layer([{ echo: "one" }, "{\"echo\": \"two\"}"]))))

  it.effect("answers from a table by the user's text, in a reask too", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* extract("a"), "A")
      assert.strictEqual((yield* Effect.flip(extract("wrong"))).attempts, 3)
      assert.include((yield* Effect.flip(extract("c"))).message, "no reply for \"c\"")
      assert.include((yield* Effect.flip(extract("toString"))).message, "no reply for \"toString\"")
    }).pipe(Effect.provide(MockLlm.layer({ a: { echo: "A" }, wrong: { echo: 1 } }))))

  it.effect("answers from a function that returns a reply or an effect", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* extract("x"), "m0")
      assert.strictEqual(yield* extract("x"), "m1")
      const error = yield* Effect.flip(extract("x"))
      assert.strictEqual(error.reason._tag, "ProviderFailure")
    }).pipe(
      Effect.provide(MockLlm.layer(({ model }, call) =>
        call === 0
          ? { echo: `${model}${call}` }
          : call === 1
          ? Effect.succeed({ echo: `${model}${call}` })
          : Effect.fail(new AiError.RateLimitError({})), { model: "m" }))
    ))

  it.effect("wraps the reason that a handler fails with in an LlmError", () =>
    Effect.gen(function*() {
      const reason = new AiError.RateLimitError({ retryAfter: Duration.seconds(2) })
      yield* Effect.gen(function*() {
        const error = yield* Effect.flip(complete(request))
        assert.instanceOf(error, LlmError.LlmError)
        assert.strictEqual(error.provider, "mock")
        assert.strictEqual(error.reason, reason)
      }).pipe(Effect.provide(MockLlm.layer(() => Effect.fail(reason))))
    }))

  it.effect("fails with the whole LlmError of a handler, in a stream too", () =>
    Effect.gen(function*() {
      const expected = new LlmError.LlmError({
        provider: "other",
        reason: new LlmError.OverloadedError({ description: "busy" }),
        status: 503,
        serverDelay: Duration.seconds(1)
      })
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* Effect.flip(complete(request)), expected)
        const llm = yield* Llm.Llm
        assert.strictEqual(yield* Effect.flip(Stream.runDrain(llm.stream(request))), expected)
      }).pipe(Effect.provide(MockLlm.layer(() => Effect.fail(expected))))
    }))

  it.effect("answers a request for a tool with a call, and one for prose with the text", () =>
    Effect.gen(function*() {
      const tool = yield* complete({ ...request, output: { mode: "tools", name: "Echo", jsonSchema: {} } })
      assert.deepStrictEqual(tool.toolCalls, [{ id: "call_0", name: "Echo", arguments: "Once upon a time" }])
      assert.deepStrictEqual([tool.text, tool.finishReason], ["", "tool-calls"])
      const prose = yield* complete({ ...request, output: { mode: "text" } })
      assert.deepStrictEqual(prose.toolCalls, [])
      assert.deepStrictEqual([prose.text, prose.finishReason], ["Once upon a time", "stop"])
    }).pipe(Effect.provide(MockLlm.layer(() => "Once upon a time"))))

  it.effect("accepts OpenAI's dialect of JSON Schema by default, and any other that is given", () =>
    Effect.gen(function*() {
      const dialect = (options?: MockLlm.Options) =>
        Llm.Llm.useSync(({ dialect }) => dialect.name).pipe(Effect.provide(MockLlm.layer([], options)))
      assert.strictEqual(yield* dialect(), "openai")
      assert.strictEqual(yield* dialect({ dialect: "plain" }), "plain")
    }))

  it.effect("has no prices unless some are given", () =>
    Effect.gen(function*() {
      const script = () => Reply.withUsage("{}", { inputTokens: 1_000_000, outputTokens: 0 })
      const usage = (options?: MockLlm.Options) =>
        complete(request).pipe(Effect.map(({ usage }) => usage), Effect.provide(MockLlm.layer(script, options)))
      assert.deepStrictEqual(yield* usage(), { ...Usage.zero, inputTokens: 1_000_000, unpriced: 1 })
      const pricing = { asOf: "2026-01-01", source: "a test", models: { m: { input: 2, output: 8 } } }
      assert.deepStrictEqual(yield* usage({ pricing }), { ...Usage.zero, inputTokens: 1_000_000, usd: 2 })
    }))

  it.effect("takes its delays from the clock", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(extract("x"))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
    }).pipe(Effect.provide(MockLlm.layer([Reply.delayed({ echo: "late" }, "1 seconds")], { delay: "2 seconds" }))))

  it.effect("streams in pieces, with a delay before each", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const arrived: Array<string> = []
      const fiber = yield* Effect.forkChild(Stream.runForEach(
        llm.stream(request),
        (part) => Effect.sync(() => arrived.push(part._tag === "TextDelta" ? part.delta : part._tag))
      ))
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(arrived, ["{\"ec"])
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(arrived, ["{\"ec", "ho\":", "\"x\"}", "Finish"])
    }).pipe(Effect.provide(MockLlm.layer([{ echo: "x" }], { chunkSize: 4, chunkDelay: "1 seconds" }))))

  it.effect("records requests, the highest concurrency and interruptions", () =>
    Effect.gen(function*() {
      const fibers = yield* Effect.forEach(["a", "b", "c"], (text) => Effect.forkChild(extract(text)))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(fibers[0]!)
      assert.strictEqual((yield* MockLlm.requests).length, 3)
      assert.strictEqual(yield* MockLlm.maxInFlight, 3)
      assert.strictEqual(yield* MockLlm.interrupted, 1)
    }).pipe(Effect.provide(MockLlm.layer(() => ({ echo: "x" }), { delay: "1 seconds" }))))

  it.effect("records only the most recent requests beyond keep", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(["a", "b", "c", "d", "e"], (model) => complete({ ...request, model }))
      assert.deepStrictEqual((yield* MockLlm.requests).map(({ model }) => model), ["d", "e"])
    }).pipe(Effect.provide(MockLlm.layer(() => "x", { keep: 2 }))))
})
