import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Result, Schema, Stream } from "effect"
import {
  Batch,
  type Completion,
  Extraction,
  ExtractionStream,
  Llm,
  LlmCache,
  type LlmRequest,
  Usage
} from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { Persistence } from "effect/persistence"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo })

const echoing = MockLlm.layer((request) => ({ echo: request.messages[1]?.content as string }))

const cached = <A, E>(llm: Layer.Layer<A | Llm.Llm, E>, options?: LlmCache.Options) =>
  Layer.provideMerge(LlmCache.layer(options), llm)

const { snapshot } = LlmCache
const sent = Effect.map(MockLlm.requests, (requests) => requests.length)

const request: LlmRequest.LlmRequest = {
  model: "m",
  messages: [{ role: "user", content: "text" }],
  output: { mode: "json_schema", name: "Echo", jsonSchema: {} },
  parameters: {}
}

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })

/** A store in memory that outlives the layers that use it. */
const sharedStore = () => {
  const values = new Map<string, object>()
  const store = Layer.succeed(Persistence.BackingPersistence, {
    make: (storeId) => {
      const id = (key: string) => `${storeId} ${key}`
      return Effect.succeed({
        get: (key) => Effect.sync(() => values.get(id(key))),
        getMany: () => Effect.die("not used"),
        set: (key, value) => Effect.sync(() => void values.set(id(key), value)),
        setMany: () => Effect.die("not used"),
        remove: (key) => Effect.sync(() => void values.delete(id(key))),
        clear: Effect.sync(() => values.clear())
      })
    }
  })
  return { store, values }
}

/** A store whose operations all behave like this one. */
const storeOf = (operation: Effect.Effect<never, Persistence.PersistenceError>) =>
  Layer.succeed(Persistence.BackingPersistence, {
    make: () =>
      Effect.succeed({
        get: () => operation,
        getMany: () => operation,
        set: () => operation,
        setMany: () => operation,
        remove: () => operation,
        clear: operation
      })
  })

/** Opens for the streams of the fiber that has it. */
const Gate: Context.Reference<Deferred.Deferred<void>> = Context.Reference("test/Gate", {
  defaultValue: () => Deferred.makeUnsafe<void>()
})

describe("LlmCache", () => {
  it.effect("dies when it is built with a capacity out of range", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.provide(Effect.void, cached(echoing, { capacity: Number.NaN })))
      assert.include(String(exit), "LlmCache: capacity must be")
    }))

  describe("keeps", () => {
    it.effect("answers, so that a second run of a batch sends and costs nothing", () =>
      Effect.gen(function*() {
        const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`)
        const run = Stream.runCollect(Batch.stream(echo, texts, { concurrency: 10, ordered: true }))
        const first = yield* run
        const second = yield* run
        assert.deepStrictEqual(second.map(({ result }) => result), first.map(({ result }) => result))
        assert.strictEqual(yield* sent, 100)
        for (const { attempts, usage } of second) {
          assert.deepStrictEqual(usage, Usage.zero)
          assert.strictEqual(attempts, 1)
        }
        assert.deepStrictEqual(yield* snapshot, { hits: 100, shared: 0, misses: 100, stale: 0, storeFailures: 0 })
      }).pipe(Effect.provide(cached(echoing))))

    it.effect("no errors", () =>
      Effect.gen(function*() {
        const first = yield* Effect.flip(Extraction.extract(Echo, "x"))
        assert.strictEqual(first.reason._tag, "ProviderFailure")
        assert.deepStrictEqual(yield* Extraction.extract(Echo, "x"), { echo: "back" })
      }).pipe(
        Effect.provide(cached(MockLlm.layer((_, call) => call === 0 ? Effect.fail(overloaded) : { echo: "back" })))
      ))

    for (
      const [name, reply, option] of [
        ["refusals", Reply.refusal("no"), { keepRefusals: true }],
        ["filtered answers", Reply.filtered("no"), { keepRefusals: true }],
        ["truncated answers", Reply.truncated("{"), { keepTruncated: true }]
      ] as const
    ) {
      const twice = Effect.gen(function*() {
        const first = yield* Effect.flip(Extraction.extract(Echo, "x"))
        const second = yield* Effect.flip(Extraction.extract(Echo, "x"))
        assert.deepStrictEqual(second.reason, first.reason)
        return yield* sent
      })
      it.effect(`${name} only with the option for it`, () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* Effect.provide(twice, cached(MockLlm.layer(() => reply))), 2)
          assert.strictEqual(yield* Effect.provide(twice, cached(MockLlm.layer(() => reply), option)), 1)
        }))
    }

    it.effect("no answers that led to InvalidOutput, so that the next extraction gets others", () =>
      Effect.gen(function*() {
        const first = yield* Effect.flip(Extraction.extract(Extraction.make({ schema: Echo, maxAttempts: 2 }), "x"))
        assert.strictEqual(first.reason._tag, "InvalidOutput")
        assert.deepStrictEqual(yield* Extraction.extract(Echo, "x"), { echo: "at last" })
        assert.strictEqual(yield* sent, 3)
      }).pipe(
        Effect.provide(cached(MockLlm.layer(["no", "no", { echo: "at last" }]), { store: sharedStore().store }))
      ))

    it.effect("every attempt of an extraction that succeeded after a reask", () =>
      Effect.gen(function*() {
        const first = yield* Extraction.extractDetailed(Echo, "x")
        const second = yield* Extraction.extractDetailed(Echo, "x")
        assert.deepStrictEqual([first.attempts, second.attempts], [2, 2])
        assert.deepStrictEqual(second.value, { echo: "at last" })
        assert.strictEqual(yield* sent, 2)
      }).pipe(Effect.provide(cached(MockLlm.layer(["no", { echo: "at last" }])))))

    it.effect("no answers of an extraction with cache: false", () =>
      Effect.gen(function*() {
        const fresh = Extraction.make({ schema: Echo, cache: false })
        yield* Extraction.extract(fresh, "x")
        yield* Extraction.extract(fresh, "x")
        yield* Extraction.extract(echo, "x")
        assert.strictEqual(yield* sent, 3)
        yield* Extraction.extract(echo, "x")
        assert.strictEqual(yield* sent, 3)
      }).pipe(Effect.provide(cached(echoing))))
  })

  it.effect("decodes cached answers through the current schema", () =>
    Effect.gen(function*() {
      const positive = (check: boolean) =>
        Extraction.make({
          name: "Amount",
          // The check is not part of the request.
          schema: Schema.Struct({
            amount: Schema.Finite.check(Schema.makeFilter((n) => !check || n > 0 || "must be positive"))
          })
        })
      assert.deepStrictEqual(yield* Extraction.extract(positive(false), "x"), { amount: -1 })
      assert.deepStrictEqual(yield* Extraction.extract(positive(true), "x"), { amount: 1 })
      const [first, second] = yield* MockLlm.requests
      assert.strictEqual(second!.messages.length, first!.messages.length + 2)
    }).pipe(Effect.provide(cached(MockLlm.layer([{ amount: -1 }, { amount: 1 }])))))

  describe("age", () => {
    it.effect("expires answers after timeToLive, in memory and in a store", () =>
      Effect.gen(function*() {
        for (const options of [{ store: sharedStore().store }, {}]) {
          yield* Effect.gen(function*() {
            yield* Extraction.extract(Echo, "x")
            yield* TestClock.adjust("59 minutes")
            yield* Extraction.extract(Echo, "x")
            assert.strictEqual(yield* sent, 1)
            yield* TestClock.adjust("1 minute")
            yield* Extraction.extract(Echo, "x")
            assert.strictEqual(yield* sent, 2)
          }).pipe(Effect.provide(cached(echoing, { ...options, timeToLive: "1 hour" })))
        }
      }))
  })

  it.effect("evicts the least recently used answer from memory", () =>
    Effect.gen(function*() {
      for (const text of ["a", "b", "a", "c", "a"]) yield* Extraction.extract(Echo, text)
      assert.strictEqual(yield* sent, 3)
      yield* Extraction.extract(Echo, "b")
      assert.strictEqual(yield* sent, 4)
    }).pipe(Effect.provide(cached(echoing, { capacity: 2 }))))

  describe("shared requests", () => {
    /** A provider that answers when the gate opens. */
    const gated = Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const llm = MockLlm.layer(() =>
        Effect.as(Deferred.await(gate), Reply.withUsage({ echo: "x" }, { inputTokens: 5, outputTokens: 1 }))
      )
      return { gate, llm: cached(llm) }
    })

    it.effect("send equal requests once, and charge one of the subscribers with the usage", () =>
      Effect.gen(function*() {
        const { gate, llm } = yield* gated
        yield* Effect.gen(function*() {
          const one = Extraction.extractDetailed(Echo, "x")
          const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(one))
          yield* TestClock.adjust("1 second")
          yield* Deferred.succeed(gate, undefined)
          const all = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
          assert.deepStrictEqual(all.map(({ value }) => value), all.map(() => ({ echo: "x" })))
          assert.strictEqual(all.filter(({ usage }) => usage.inputTokens === 5).length, 1)
          assert.strictEqual(all.filter(({ usage }) => usage.inputTokens === 0).length, 49)
          assert.strictEqual(yield* sent, 1)
          assert.deepStrictEqual(yield* snapshot, { hits: 0, shared: 49, misses: 1, stale: 0, storeFailures: 0 })
        }).pipe(Effect.provide(llm))
      }))

    it.effect("go on for the other subscribers when one is interrupted, even the first", () =>
      Effect.gen(function*() {
        const { gate, llm } = yield* gated
        yield* Effect.gen(function*() {
          const one = Extraction.extractDetailed(Echo, "x")
          const [first, second, third] = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(one))
          yield* TestClock.adjust("1 second")
          yield* Fiber.interrupt(first!)
          yield* Fiber.interrupt(third!)
          assert.strictEqual(yield* MockLlm.interrupted, 0)
          yield* Deferred.succeed(gate, undefined)
          assert.strictEqual((yield* Fiber.join(second!)).usage.inputTokens, 5)
          assert.strictEqual(yield* sent, 1)
        }).pipe(Effect.provide(llm))
      }))

    it.effect("are abandoned when all subscribers are interrupted, and the next request is sent anew", () =>
      Effect.gen(function*() {
        const { gate, llm } = yield* gated
        yield* Effect.gen(function*() {
          const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(Extraction.extract(Echo, "x")))
          yield* TestClock.adjust("1 second")
          yield* Effect.forEach(fibers, (fiber) => Fiber.interrupt(fiber))
          assert.strictEqual(yield* MockLlm.interrupted, 1)
          yield* Deferred.succeed(gate, undefined)
          assert.deepStrictEqual(yield* Extraction.extract(Echo, "x"), { echo: "x" })
          assert.strictEqual(yield* sent, 2)
        }).pipe(Effect.provide(llm))
      }))

    it.effect("answer all equal items of a batch", () =>
      Effect.gen(function*() {
        const texts = Array.from({ length: 60 }, (_, i) => `text ${i % 3}`)
        const items = yield* Stream.runCollect(Batch.stream(echo, texts, { concurrency: 20, ordered: true }))
        assert.deepStrictEqual(
          items.map(({ index, result }) => [index, Result.getOrThrow(result).echo]),
          texts.map((text, index) => [index, text])
        )
        assert.strictEqual(yield* sent, 3)
      }).pipe(Effect.provide(cached(echoing))))
  })

  describe("streams", () => {
    const collect = Llm.Llm.use((llm) => Stream.runCollect(llm.stream(request)))
    const textOf = (parts: ReadonlyArray<Completion.CompletionPart>) =>
      parts.map((part) => part._tag === "TextDelta" ? part.delta : "").join("")

    it.effect("are kept, and answer later streams and completions", () =>
      Effect.gen(function*() {
        const live = yield* collect
        assert.isAbove(live.length, 2)
        const replayed = yield* collect
        assert.strictEqual(textOf(replayed), textOf(live))
        const [first, second] = [live.at(-1), replayed.at(-1)]
        assert.isTrue(first?._tag === "Finish" && second?._tag === "Finish")
        if (first?._tag === "Finish" && second?._tag === "Finish") {
          assert.strictEqual(second.completion.text, first.completion.text)
          assert.isAbove(first.completion.usage.outputTokens, 0)
          assert.deepStrictEqual(second.completion.usage, Usage.zero)
        }
        const completion = yield* Llm.Llm.use((llm) => llm.complete(request))
        assert.strictEqual(completion.text, textOf(live))
        assert.strictEqual(yield* sent, 1)
      }).pipe(Effect.provide(cached(MockLlm.layer(() => ({ echo: "a text of some length" }))))))

    it.effect("are shared: late subscribers get the whole answer, and none delays another", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const first = yield* Effect.forkChild(collect)
        yield* TestClock.adjust("2 seconds")
        const second = yield* Effect.forkChild(collect)
        const third = yield* Effect.forkChild(llm.complete(request))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("1 minute")
        const text = JSON.stringify({ echo: "a text of some length" })
        assert.strictEqual(textOf(yield* Fiber.join(second)), text)
        assert.strictEqual((yield* Fiber.join(third)).text, text)
        assert.strictEqual(yield* sent, 1)
        assert.strictEqual(yield* MockLlm.interrupted, 0)
      }).pipe(
        Effect.provide(cached(MockLlm.layer(() => ({ echo: "a text of some length" }), { chunkDelay: "1 second" })))
      ))

    it.effect("are abandoned and not kept when no subscriber reads them to the end", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const fiber = yield* Effect.forkChild(llm.stream(request).pipe(Stream.take(1), Stream.runDrain))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        const again = yield* Effect.forkChild(collect)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(again)
        assert.strictEqual(yield* sent, 2)
      }).pipe(
        Effect.provide(cached(MockLlm.layer(() => ({ echo: "a text of some length" }), { chunkDelay: "1 second" })))
      ))

    it.effect("of an extraction with cache: false are neither kept nor shared, for lists and for single values", () =>
      Effect.gen(function*() {
        const list = Extraction.make({ schema: Echo, cache: false })
        const value = Extraction.make({ schema: Schema.Array(Echo), name: "other", cache: false })
        for (const _ of [1, 2]) {
          yield* Stream.runDrain(ExtractionStream.values(list, "x"))
          yield* Stream.runDrain(ExtractionStream.partial(value, "x"))
        }
        assert.strictEqual(yield* sent, 4)
        yield* Stream.runDrain(ExtractionStream.values(Extraction.make({ ...list, cache: true }), "x"))
        yield* Stream.runDrain(ExtractionStream.values(Extraction.make({ ...list, cache: true }), "x"))
        assert.strictEqual(yield* sent, 5)
      }).pipe(Effect.provide(cached(MockLlm.layer(() => [{ echo: "a" }, { echo: "b" }])))))

    it.effect("subscribe to an equal completion in flight", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const whole = yield* Effect.forkChild(llm.complete(request))
        yield* TestClock.adjust("1 second")
        const streamed = yield* Effect.forkChild(collect)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(textOf(yield* Fiber.join(streamed)), (yield* Fiber.join(whole)).text)
        assert.strictEqual((yield* Fiber.join(streamed)).at(-1)?._tag, "Finish")
        assert.strictEqual(yield* sent, 1)
      }).pipe(Effect.provide(cached(MockLlm.layer(() => Reply.delayed({ echo: "x" }, "10 seconds"))))))

    it.effect("that end without their last part make a waiting completion send its own request", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const gate = yield* Deferred.make<void>()
        const broken = yield* Effect.forkChild(
          llm.stream(request).pipe(
            Stream.runCollect,
            Effect.provideService(Gate, gate)
          )
        )
        yield* TestClock.adjust("1 second")
        const whole = yield* Effect.forkChild(llm.complete(request))
        yield* TestClock.adjust("1 second")
        assert.isUndefined(whole.pollUnsafe())
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(textOf(yield* Fiber.join(broken)), "half an ans")
        assert.strictEqual((yield* Fiber.join(whole)).text, "a whole answer")
      }).pipe(
        Effect.provide(
          LlmCache.layer().pipe(Layer.provide(Layer.succeed(
            Llm.Llm,
            Llm.make({
              provider: "test",
              model: "m",
              complete: () =>
                Effect.succeed({
                  id: "",
                  model: "m",
                  text: "a whole answer",
                  toolCalls: [],
                  finishReason: "stop",
                  usage: Usage.zero
                }),
              stream: () =>
                Stream.unwrap(Effect.map(Gate, (gate) =>
                  Stream.concat(
                    Stream.succeed<Completion.CompletionPart>({ _tag: "TextDelta", delta: "half an ans" }),
                    Stream.drain(Stream.fromEffect(Deferred.await(gate)))
                  )))
            })
          )))
        )
      ))

    it.effect("are not kept when they fail", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(collect)
        assert.strictEqual(error.reason._tag, "InternalProviderError")
        assert.strictEqual((yield* collect).at(-1)?._tag, "Finish")
      }).pipe(Effect.provide(cached(MockLlm.layer((_, call) => call === 0 ? Effect.fail(overloaded) : { echo: "x" })))))
  })

  describe("a store", () => {
    const once = (options: LlmCache.Options, text = "x") =>
      Effect.gen(function*() {
        const { value } = yield* Extraction.extractDetailed(echo, text)
        assert.deepStrictEqual(value, { echo: text })
        return { sent: yield* sent, stats: yield* snapshot }
      }).pipe(Effect.provide(cached(echoing, options)))

    it.effect("outlives the cache, and is shared by caches of one namespace", () =>
      Effect.gen(function*() {
        const { store } = sharedStore()
        assert.strictEqual((yield* once({ store })).sent, 1)
        const second = yield* once({ store })
        assert.strictEqual(second.sent, 0)
        assert.strictEqual(second.stats.hits, 1)
        assert.strictEqual((yield* once({ store, namespace: "other" })).sent, 1)
      }))

    it.effect("replaces stale answers of another version", () =>
      Effect.gen(function*() {
        const { store, values } = sharedStore()
        yield* once({ store, version: "1" })
        const second = yield* once({ store, version: "2" })
        assert.deepStrictEqual(second.stats, { hits: 0, shared: 0, misses: 1, stale: 1, storeFailures: 0 })
        assert.strictEqual((yield* once({ store, version: "2" })).sent, 0)
        assert.strictEqual(values.size, 1)
      }))

    it.effect("replaces entries that are not answers", () =>
      Effect.gen(function*() {
        for (const damaged of [{}, { digest: "" }, [1], { digest: "", entry: "{}" }]) {
          const { store, values } = sharedStore()
          yield* once({ store })
          for (const key of values.keys()) values.set(key, damaged)
          assert.strictEqual((yield* once({ store })).sent, 1)
          assert.strictEqual((yield* once({ store })).sent, 0)
        }
      }))

    it.effect("costs cache misses when it fails, dies or cannot be opened", () =>
      Effect.gen(function*() {
        const error = new Persistence.PersistenceError({ message: "the disk failed" })
        for (const operation of [Effect.fail(error), Effect.die("bug")]) {
          const { sent, stats } = yield* once({ store: storeOf(operation) })
          assert.strictEqual(sent, 1)
          assert.strictEqual(stats.storeFailures, 2)
        }
        for (const failure of [Effect.fail(error), Effect.die("bug")]) {
          const { sent, stats } = yield* once({ store: Layer.effect(Persistence.BackingPersistence)(failure) })
          assert.strictEqual(sent, 1)
          assert.strictEqual(stats.storeFailures, 1)
        }
      }))

    it.effect("is paused after an operation that does not end", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.forEach(["a", "b", "c"], (text) => Extraction.extract(Echo, text)))
        // Other timers than those of the test clock may be involved.
        while (fiber.pollUnsafe() === undefined) {
          yield* TestClock.adjust("100 millis")
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
        }
        assert.strictEqual((yield* snapshot).storeFailures, 1)
        assert.strictEqual(yield* sent, 3)
      }).pipe(Effect.provide(cached(echoing, { store: storeOf(Effect.never) }))))
    it.effect("delays an answer by storeTimeout at most", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Extraction.extract(Echo, "x"))
        yield* TestClock.adjust("1 second")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(fiber), { echo: "x" })
        assert.strictEqual((yield* snapshot).storeFailures, 1)
      }).pipe(
        Effect.provide(cached(echoing, {
          store: Layer.succeed(Persistence.BackingPersistence, {
            make: () =>
              Effect.succeed({
                get: () => Effect.undefined,
                getMany: () => Effect.never,
                set: () => Effect.never,
                setMany: () => Effect.never,
                remove: () => Effect.never,
                clear: Effect.never
              })
          })
        }))
      ))

    it.effect("gets an answer that has arrived even if its extraction is interrupted", () =>
      Effect.gen(function*() {
        const { store, values } = sharedStore()
        const slow = Layer.effect(
          Persistence.BackingPersistence,
          Effect.map(Persistence.BackingPersistence, (backing) => ({
            make: (storeId: string) =>
              Effect.map(backing.make(storeId), (store) => ({
                ...store,
                set: (...args: Parameters<typeof store.set>) => Effect.delay(store.set(...args), "1 second")
              }))
          }))
        ).pipe(Layer.provide(store))
        yield* Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Extraction.extract(Echo, "x"))
          yield* TestClock.adjust("500 millis")
          const interrupted = yield* Effect.forkChild(Fiber.interrupt(fiber))
          assert.strictEqual(values.size, 0)
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(interrupted)
          assert.strictEqual(values.size, 1)
        }).pipe(Effect.provide(cached(echoing, { store: slow })))
      }))

    it.effect("does not accept the entry of another key", () =>
      Effect.gen(function*() {
        const { store, values } = sharedStore()
        yield* once({ store }, "x")
        yield* once({ store }, "y")
        const [[x, entryOfX], [y, entryOfY]] = Array.from(values) as [[string, object], [string, object]]
        values.set(x, entryOfY)
        values.set(y, entryOfX)
        assert.strictEqual((yield* once({ store }, "x")).sent, 1)
        assert.strictEqual((yield* once({ store }, "y")).sent, 1)
      }))

    it.effect("does not get an answer whose provider data is nested too deep to encode", () =>
      Effect.gen(function*() {
        const { store, values } = sharedStore()
        let deep: Schema.Json = 1
        for (let i = 0; i < 20_000; i++) deep = [deep]
        const provider = Layer.succeed(
          Llm.Llm,
          Llm.make({
            provider: "test",
            model: "m",
            complete: () =>
              Effect.succeed({
                id: "",
                model: "m",
                text: "{}",
                toolCalls: [],
                finishReason: "stop",
                usage: Usage.zero,
                providerData: { deep }
              })
          })
        )
        yield* Llm.Llm.use((llm) => llm.complete(request)).pipe(
          Effect.provide(Layer.provide(LlmCache.layer({ store }), provider))
        )
        assert.strictEqual(values.size, 0)
      }))

    it.effect("contains the answer before the extraction ends", () =>
      Effect.gen(function*() {
        const { store, values } = sharedStore()
        yield* Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Extraction.extract(Echo, "x"))
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(fiber)
          assert.strictEqual(values.size, 1)
        }).pipe(Effect.provide(cached(echoing, { store })))
      }))
  })

  describe("the key", () => {
    const Request = Schema.Struct({
      model: Schema.Literals(["m", "n"]),
      messages: Schema.Array(Schema.Union([
        Schema.Struct({ role: Schema.Literal("system"), content: Schema.String }),
        Schema.Struct({ role: Schema.Literal("user"), content: Schema.String }),
        Schema.Struct({ role: Schema.Literal("assistant"), content: Schema.String })
      ])),
      output: Schema.Struct({
        mode: Schema.Literals(["json_schema", "tools", "json", "markdown"]),
        name: Schema.String,
        jsonSchema: Schema.Record(Schema.String, Schema.Json)
      }),
      parameters: Schema.Struct({
        maxTokens: Schema.optionalKey(Schema.Natural),
        temperature: Schema.optionalKey(Schema.Finite),
        seed: Schema.optionalKey(Schema.Int),
        stop: Schema.optionalKey(Schema.Array(Schema.String)),
        extra: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
      })
    })

    const shuffled = (value: unknown): any => {
      if (typeof value !== "object" || value === null) return value
      if (Array.isArray(value)) return value.map(shuffled)
      return Object.fromEntries(Object.entries(value).toReversed().map(([key, value]) => [key, shuffled(value)]))
    }

    const counting = Effect.gen(function*() {
      const llm = yield* Llm.Llm
      return (request: LlmRequest.LlmRequest) =>
        Effect.gen(function*() {
          const before = yield* sent
          yield* llm.complete(request)
          return (yield* sent) - before
        })
    })

    it.effect.prop("does not depend on the order of object keys", [Request], ([request]) =>
      Effect.gen(function*() {
        const send = yield* counting
        assert.strictEqual(yield* send(request), 1)
        assert.strictEqual(yield* send(shuffled(request)), 0)
        assert.strictEqual(yield* send(JSON.parse(JSON.stringify(request, null, 2))), 0)
      }).pipe(Effect.provide(cached(echoing))))

    it.effect.prop("differs when any part of the request differs", [Request, Schema.String, Schema.Json], ([
      request,
      text,
      json
    ]) =>
      Effect.gen(function*() {
        const send = yield* counting
        yield* send(request)
        const { messages, output, parameters } = request
        const others: Array<LlmRequest.LlmRequest> = [
          { ...request, model: `${request.model}${text}.` },
          { ...request, messages: [...messages, { role: "user", content: text }] },
          { ...request, messages: messages.map((message) => ({ ...message, content: `${message.content}${text} ` })) },
          {
            ...request,
            messages: messages.map((message) => ({ ...message, role: message.role === "user" ? "system" : "user" }))
          },
          { ...request, output: { ...output, mode: output.mode === "json" ? "tools" : "json" } },
          { ...request, output: { ...output, name: `${output.name}x` } },
          { ...request, output: { ...output, description: text } },
          {
            ...request,
            output: {
              ...output,
              jsonSchema: { ...output.jsonSchema, [`${text}${Object.keys(output.jsonSchema).join("")}+`]: json }
            }
          },
          {
            ...request,
            parameters: { ...parameters, temperature: (parameters.temperature ?? 0) === 0.125 ? 0.25 : 0.125 }
          },
          { ...request, parameters: { ...parameters, maxTokens: (parameters.maxTokens ?? 0) === 7 ? 8 : 7 } },
          { ...request, parameters: { ...parameters, seed: (parameters.seed ?? 0) === 7 ? 8 : 7 } },
          { ...request, parameters: { ...parameters, stop: [...(parameters.stop ?? []), text] } },
          {
            ...request,
            parameters: {
              ...parameters,
              extra: { ...parameters.extra, [`${text}${Object.keys(parameters.extra ?? {}).join("")}+`]: json }
            }
          }
        ]
        for (const other of others) {
          if (messages.length > 0 || other.messages !== messages) {
            const isChanged = JSON.stringify(other) !== JSON.stringify(request)
            assert.strictEqual(yield* send(other), isChanged ? 1 : 0)
          }
        }
      }).pipe(Effect.provide(cached(echoing))))

    it.effect("differs for another provider or another base URL over the same store", () =>
      Effect.gen(function*() {
        const { store } = sharedStore()
        let calls = 0
        const provider = (name: string, origin: string) =>
          Layer.succeed(
            Llm.Llm,
            Llm.make({
              provider: name,
              origin,
              model: "m",
              complete: () =>
                Effect.sync((): Completion.Completion => {
                  calls++
                  return { id: "", model: "m", text: "{}", toolCalls: [], finishReason: "stop", usage: Usage.zero }
                })
            })
          )
        for (
          const [name, origin] of [
            ["openai", "https://a"],
            ["ollama", "https://a"],
            ["openai", "https://b"],
            ["openai", "https://a"]
          ] as const
        ) {
          yield* Llm.Llm.use((llm) => llm.complete(request)).pipe(
            Effect.provide(Layer.provide(LlmCache.layer({ store }), provider(name, origin)))
          )
        }
        assert.strictEqual(calls, 3)
      }))
  })
})
