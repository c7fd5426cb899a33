import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result, Schedule, Schema, Stream } from "effect"
import { Batch, BatchProgress, Extraction, LlmBatch, LlmError, OfflineBatch, Pricing } from "effect-instructor"
import { MockLlm, MockLlmBatch, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ text: Schema.String })
const echo = Extraction.make({ schema: Echo, name: "Echo" })
const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)

const userText = (
  { messages }: { readonly messages: ReadonlyArray<{ readonly role: string; readonly content: unknown }> }
) => String(messages.find(({ role }) => role === "user")?.content)

const answer: MockLlmBatch.Handler = (request) => ({ text: userText(request) })

/** Runs an effect, and lets the time pass that it waits for. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.Input = "1 minute") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.yieldNow, TestClock.adjust(step))))
    return yield* Fiber.join(fiber)
  })

const byIndex = <A, In>(items: ReadonlyArray<Batch.Item<A, In>>) => items.toSorted((a, b) => a.index - b.index)

const summary = <A, In>(items: ReadonlyArray<Batch.Item<A, In>>) =>
  byIndex(items).map(({ result }) => Result.isSuccess(result) ? result.success : result.failure.reason._tag)

describe("Batch.offline", () => {
  it.effect("emits an item for each input, with its index and input", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(5), { maxRequests: 2 })))
      assert.deepStrictEqual(summary(items), texts(5).map((text) => ({ text })))
      assert.deepStrictEqual(byIndex(items).map(({ attempts, input, restored }) => [input, attempts, restored]), [
        ["text 0", 1, false],
        ["text 1", 1, false],
        ["text 2", 1, false],
        ["text 3", 1, false],
        ["text 4", 1, false]
      ])
      assert.deepStrictEqual((yield* MockLlmBatch.batches).map(({ requests }) => requests.length), [2, 2, 1])
    }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

  it.effect("is the same as online but for latency and price", () =>
    Effect.gen(function*() {
      const offline = yield* run(Stream.runCollect(Batch.offline(echo, texts(20), { ordered: true })))
      const online = yield* run(Stream.runCollect(Batch.stream(echo, texts(20), { ordered: true })))
      const same = (items: typeof offline) =>
        items.map(({ usage, ...item }) => ({
          ...item,
          latency: 0,
          usage: { ...usage, batchInputTokens: 0, batchOutputTokens: 0 }
        }))
      assert.deepStrictEqual(same(offline), same(online))
    }).pipe(Effect.provide([MockLlmBatch.layer(answer), MockLlm.layer((request) => ({ text: userText(request) }))])))

  it.effect("keeps the order with `ordered`", () =>
    Effect.gen(function*() {
      const items = yield* run(
        Stream.runCollect(Batch.offline(echo, texts(100), { maxRequests: 7, ordered: true }))
      )
      assert.deepStrictEqual(items.map(({ input }) => input), texts(100))
    }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

  it.effect("ends at once for no inputs", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Stream.runCollect(Batch.offline(echo, [])), [])
      assert.deepStrictEqual(yield* MockLlmBatch.batches, [])
    }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

  it.effect("splits by bytes", () =>
    Effect.gen(function*() {
      yield* run(Stream.runDrain(Batch.offline(echo, texts(4), { maxBytes: 1500 })))
      const batches = yield* MockLlmBatch.batches
      assert.isAbove(batches.length, 1)
      assert.strictEqual(batches.reduce((sum, { requests }) => sum + requests.length, 0), 4)
    }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

  it.effect("waits while the enqueued tokens do not allow another batch", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(
        Stream.runCollect(Batch.offline(echo, texts(4), { maxRequests: 1, enqueuedTokens: 200 }))
      )
      yield* TestClock.adjust("30 seconds")
      const before = (yield* MockLlmBatch.batches).length
      assert.isBelow(before, 4)
      const items = yield* run(Fiber.join(fiber))
      assert.strictEqual(items.length, 4)
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "1 hour" }))))

  it.effect("learns the enqueued tokens from batches that fail, and submits their items again", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(6), { maxRequests: 2 })))
      assert.deepStrictEqual(summary(items), texts(6).map((text) => ({ text })))
      assert.include((yield* MockLlmBatch.batches).map(({ status }) => status), "failed")
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "1 hour", refuseTokensOver: 400 }))))

  it.effect("halves a batch that has too many tokens alone", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(8))))
      assert.deepStrictEqual(summary(items), texts(8).map((text) => ({ text })))
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "1 hour", refuseTokensOver: 400 }))))

  it.effect("asks invalid answers again in the next batch", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(4))))
      assert.deepStrictEqual(summary(items), texts(4).map((text) => ({ text })))
      assert.deepStrictEqual(byIndex(items).map(({ attempts }) => attempts), [2, 2, 2, 2])
      assert.deepStrictEqual((yield* MockLlmBatch.batches).map(({ requests }) => requests.length), [4, 4])
    }).pipe(
      Effect.provide(MockLlmBatch.layer((request, call) => call < 4 ? { wrong: 1 } : { text: userText(request) }))
    ))

  it.effect("gives up after `maxAttempts`, with every answer", () =>
    Effect.gen(function*() {
      const [item] = yield* run(Stream.runCollect(Batch.offline(Extraction.with(echo, { maxAttempts: 2 }), ["a"])))
      const failure = Result.isFailure(item!.result) ? item!.result.failure : assert.fail()
      assert.strictEqual(failure.reason._tag, "InvalidOutput")
      assert.strictEqual(failure.reason._tag === "InvalidOutput" ? failure.reason.attempts.length : 0, 2)
      assert.strictEqual(failure.attempts, 2)
    }).pipe(Effect.provide(MockLlmBatch.layer(() => ({ wrong: 1 })))))

  it.effect("asks invalid answers again online, or not at all", () =>
    Effect.gen(function*() {
      const online = yield* run(Stream.runCollect(Batch.offline(echo, ["a"], { finish: "online" })))
      assert.deepStrictEqual(online.map(({ attempts, result }) => [attempts, Result.isSuccess(result)]), [[2, true]])
      assert.strictEqual((yield* MockLlm.requests).length, 1)
      // The reask has the invalid answer.
      assert.isAbove((yield* MockLlm.requests)[0]!.messages.length, 2)
      const none = yield* run(Stream.runCollect(Batch.offline(echo, ["a"], { finish: "none" })))
      assert.deepStrictEqual(summary(none), ["InvalidOutput"])
    }).pipe(Effect.provide([
      MockLlmBatch.layer(() => ({ wrong: 1 })),
      MockLlm.layer(() => ({ text: "online" }))
    ])))

  it.effect("says what is missing to finish online", () =>
    Effect.gen(function*() {
      const stream = Batch.offline(echo, ["a"], { finish: "online" }) as Stream.Stream<
        unknown,
        unknown,
        LlmBatch.LlmBatch
      >
      const error = yield* Effect.flip(Stream.runDrain(stream))
      assert.include(String(error), "needs an `Llm`")
    }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

  it.effect("has typed failures for refused, truncated and filtered answers", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, ["refused", "cut", "filtered", "bad"])))
      assert.deepStrictEqual(summary(items), ["Refused", "Truncated", "ContentFiltered", "ProviderFailure"])
    }).pipe(Effect.provide(MockLlmBatch.layer({
      refused: Reply.refusal("No"),
      cut: Reply.truncated("{\"te"),
      filtered: Reply.filtered("{\"te")
    }))))

  it.effect("puts rows that were not answered into the next batch", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, ["rate", "busy", "expired", "lost", "twice"])))
      assert.deepStrictEqual(summary(items), ["rate", "busy", "expired", "lost", "twice"].map((text) => ({ text })))
      assert.deepStrictEqual((yield* MockLlmBatch.batches).map(({ requests }) => requests.length), [5, 4])
    }).pipe(Effect.provide(MockLlmBatch.layer((request, call) => {
      const text = userText(request)
      if (call >= 5) return { text }
      switch (text) {
        case "rate":
          return Effect.fail(new AiError.RateLimitError({}))
        case "busy":
          return Effect.fail(new AiError.InternalProviderError({ description: "500" }))
        case "expired":
          return MockLlmBatch.expired
        case "lost":
          return MockLlmBatch.lost
        default:
          return MockLlmBatch.twice({ text })
      }
    }))))

  it.effect("fails a row that is never answered after its retries", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, ["a"], { retries: 2 })))
      assert.deepStrictEqual(summary(items), ["ProviderFailure"])
      assert.strictEqual((yield* MockLlmBatch.batches).length, 3)
    }).pipe(Effect.provide(MockLlmBatch.layer(() => MockLlmBatch.lost))))

  it.effect("finishes a row online that is never answered in batches", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, ["a"], { finish: "online", retries: 1 })))
      assert.deepStrictEqual(summary(items), [{ text: "online" }])
    }).pipe(Effect.provide([
      MockLlmBatch.layer(() => MockLlmBatch.lost),
      MockLlm.layer(() => ({ text: "online" }))
    ])))

  for (const status of ["expired", "cancelled", "failed", "completed"] as const) {
    it.effect(`keeps the partial output of a batch that is ${status}`, () =>
      Effect.gen(function*() {
        const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(6))))
        const expected = status === "cancelled"
          ? ["Skipped", "Skipped", "Skipped"]
          : texts(6).slice(3).map((text) => ({ text }))
        assert.deepStrictEqual(summary(items), [...texts(3).map((text) => ({ text })), ...expected])
        assert.deepStrictEqual(
          (yield* MockLlmBatch.batches).map(({ requests }) => requests.length),
          status === "cancelled" ? [6] : [6, 3]
        )
      }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
        fault: (operation, call) =>
          operation === "submit" && call === 0 ? MockLlmBatch.ends(status, { answered: 3 }) : undefined
      }))))
  }

  it.effect("submits the items of a batch again that vanishes", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(3))))
      assert.deepStrictEqual(summary(items), texts(3).map((text) => ({ text })))
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
      fault: (operation, call) => operation === "submit" && call === 0 ? MockLlmBatch.vanishes : undefined
    }))))

  it.effect("does not submit a batch twice whose response was lost", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(3))))
      assert.strictEqual(items.length, 3)
      assert.strictEqual((yield* MockLlmBatch.batches).length, 1)
      assert.include(yield* MockLlmBatch.calls, "find")
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
      fault: (operation, call) =>
        operation === "submit" && call === 0
          ? MockLlmBatch.loseResponse(new AiError.InternalProviderError({ description: "502" }))
          : undefined
    }))))

  it.effect("survives failures of every operation", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(3))))
      assert.deepStrictEqual(summary(items), texts(3).map((text) => ({ text })))
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
      fault: (_, call) =>
        call < 2 ? MockLlmBatch.fail(new AiError.InternalProviderError({ description: "500" })) : undefined
    }))))

  it.effect("reads results again that are not there yet", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(3))))
      assert.strictEqual(items.length, 3)
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
      fault: (operation, call) =>
        operation === "results" && call < 2
          ? MockLlmBatch.fail(new LlmError.NotFoundError({ description: "No such File" }))
          : undefined
    }))))

  it.effect("stops at a wrong key, and the items stay pending", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run(Stream.runDrain(Batch.offline(echo, texts(3)))))
      assert.strictEqual(error.reason._tag, "Unrecoverable")
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
      fault: () => MockLlmBatch.fail(new AiError.AuthenticationError({ kind: "InvalidKey" }))
    }))))

  it.effect("fails the items of a batch that the provider does not accept", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(2))))
      assert.deepStrictEqual(summary(items), ["ProviderFailure", "ProviderFailure"])
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, {
      fault: (operation) =>
        operation === "submit" ? MockLlmBatch.fail(new AiError.InvalidRequestError({ description: "bad" })) : undefined
    }))))

  it.effect("stops after `maxFailures`", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run(Stream.runDrain(Batch.offline(echo, texts(9), { maxFailures: 2 }))))
      assert.strictEqual(error.reason._tag, "TooManyFailures")
    }).pipe(Effect.provide(MockLlmBatch.layer(() => Reply.refusal("No")))))

  it.effect("stops after its `timeout`", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run(Stream.runDrain(Batch.offline(echo, texts(2), { timeout: "1 hour" }))))
      assert.strictEqual(error.reason._tag, "TimedOut")
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "24 hours" }))))

  it.effect("cancels its batches when it is interrupted without a journal", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Stream.runDrain(Batch.offline(echo, texts(2))))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual((yield* MockLlmBatch.batches).map(({ status }) => status), ["cancelling"])
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "24 hours" }))))

  it.effect("fails a rejected input and not the others", () =>
    Effect.gen(function*() {
      const picky = Extraction.mapInput(echo, (text: string) => text === "b" ? Result.fail("no b") : text)
      const items = yield* run(Stream.runCollect(Batch.offline(picky, ["a", "b", "c"])))
      assert.deepStrictEqual(summary(items), [{ text: "a" }, "InvalidInput", { text: "c" }])
    }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

  it.effect("has the batch price in its usage", () =>
    Effect.gen(function*() {
      const [item] = yield* run(Stream.runCollect(Batch.offline(echo, ["a"])))
      assert.strictEqual(item!.usage.batchInputTokens, 1_000_000)
      assert.strictEqual(item!.usage.usd, 0.5 * (2 + 4))
    }).pipe(Effect.provide(MockLlmBatch.layer(
      () => Reply.withUsage({ text: "a" }, { inputTokens: 1_000_000, outputTokens: 1_000_000 }),
      { pricing: { ...Pricing.empty, models: { mock: { input: 2, output: 4, batch: 0.5 } } } }
    ))))

  it.effect("reports its progress and the statuses of its batches", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const statuses: Array<string> = []
      yield* run(Stream.runDrain(Batch.offline(echo, texts(3), {
        progress,
        onStatus: ({ status }) => Effect.sync(() => statuses.push(status))
      })))
      const { inFlight, succeeded } = yield* progress.snapshot
      assert.deepStrictEqual([inFlight, succeeded], [0, 3])
      assert.deepStrictEqual(Array.from(new Set(statuses)), ["in_progress", "completed"])
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "1 hour" }))))

  it.effect("polls on a schedule", () =>
    Effect.gen(function*() {
      yield* run(Stream.runDrain(Batch.offline(echo, ["a"], { poll: Schedule.spaced("10 minutes") })))
      assert.strictEqual((yield* MockLlmBatch.calls).filter((call) => call === "poll").length, 7)
    }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "1 hour" }))))

  it.effect("finishes online what would be late, and keeps what has arrived by then", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.offline(echo, texts(10), { deadline: "2 hours" })))
      const online = (yield* MockLlm.requests).length
      assert.isAbove(online, 0)
      assert.isBelow(online, 10)
      const answered = summary(items).map((value) => (value as { readonly text: string }).text)
      assert.strictEqual(answered.filter((text) => text === "online").length, online)
      assert.isTrue(items.every(({ attempts }) => attempts === 1))
      assert.isTrue(items.every(({ latency }) => Duration.toHours(latency) <= 2))
    }).pipe(Effect.provide([
      MockLlmBatch.layer(answer, { duration: "4 hours" }),
      MockLlm.layer(() => ({ text: "online" }))
    ])))

  describe("the steps", () => {
    it.effect("submit, status, collect and list", () =>
      Effect.gen(function*() {
        const references = yield* OfflineBatch.submit(echo, texts(5), { maxRequests: 2 })
        assert.deepStrictEqual(references.map(({ requests }) => requests), [2, 2, 1])
        const stored = Schema.decodeSync(Schema.fromJsonString(Schema.Array(LlmBatch.Reference)))(
          JSON.stringify(references)
        )
        assert.strictEqual((yield* OfflineBatch.status(stored[0]!)).status, "completed")
        const items = yield* Stream.runCollect(OfflineBatch.collect(echo, stored))
        assert.deepStrictEqual(
          items.toSorted((a, b) => a.index - b.index).map(({ result }) => Result.getOrThrow(result)),
          texts(5).map((text) => ({ text }))
        )
        assert.strictEqual((yield* Stream.runCollect(OfflineBatch.list)).length, 3)
      }).pipe(Effect.provide(MockLlmBatch.layer(answer))))

    it.effect("collect has a result for every input, whatever happened", () =>
      Effect.gen(function*() {
        const references = yield* OfflineBatch.submit(echo, ["a", "b", "c", "d"])
        const items = yield* Stream.runCollect(OfflineBatch.collect(echo, references))
        assert.deepStrictEqual(
          items.toSorted((a, b) => a.index - b.index).map(({ result }) =>
            Result.isSuccess(result) ? "ok" : result.failure.reason._tag
          ),
          ["ok", "InvalidOutput", "Skipped", "ProviderFailure"]
        )
      }).pipe(
        Effect.provide(MockLlmBatch.layer([{ text: "a" }, { wrong: 1 }, MockLlmBatch.expired, MockLlmBatch.lost]))
      ))

    it.effect("cancel", () =>
      Effect.gen(function*() {
        const [reference] = yield* OfflineBatch.submit(echo, ["a"])
        yield* OfflineBatch.cancel(reference!)
        assert.include((yield* OfflineBatch.status(reference!)).status, "cancel")
      }).pipe(Effect.provide(MockLlmBatch.layer(answer, { duration: "1 hour" }))))
  })
})
