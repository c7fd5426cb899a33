/** Ends runs at every remote call and at every write, and runs them again with the same journal. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Journal, LlmBatch } from "effect-instructor"
import { MockLlm, MockLlmBatch, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const echo = Extraction.make({ schema: Schema.Struct({ text: Schema.String }), name: "Echo" })
const texts = Array.from({ length: 7 }, (_, i) => `text ${i}`)

const userText = (messages: ReadonlyArray<{ readonly role: string; readonly content: unknown }>) =>
  String(messages.find(({ role }) => role === "user")?.content)

/** Some answers are invalid at first, and some requests are not answered at first. */
const answers = (): MockLlmBatch.Handler => {
  const seen = new Map<string, number>()
  return ({ messages }) => {
    const text = userText(messages)
    const count = (seen.get(text) ?? 0) + 1
    seen.set(text, count)
    if (text === "text 1" && count === 1) return { wrong: 1 }
    if (text === "text 3" && count === 1) return Effect.fail(new AiError.RateLimitError({}))
    if (text === "text 5" && count === 1) return MockLlmBatch.lost
    return { text }
  }
}

/** Lets time pass until the effect is done, or until nothing happens any more. */
const runFor = <A, E, R>(effect: Effect.Effect<A, E, R>, minutes: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    for (let i = 0; i < minutes && fiber.pollUnsafe() === undefined; i++) {
      for (let j = 0; j < 20; j++) yield* Effect.yieldNow
      yield* TestClock.adjust("1 minute")
    }
    if (fiber.pollUnsafe() === undefined) {
      yield* Fiber.interrupt(fiber)
      return undefined
    }
    return yield* Fiber.join(fiber)
  })

const batch = Batch.offline(echo, texts, { maxRequests: 3 })

/** The number of times that a request was submitted in batches of the first attempt. */
const submissions = (batches: ReadonlyArray<MockLlmBatch.MockBatch>) => {
  const counts = new Map<string, number>()
  for (const { requests } of batches) {
    for (const { messages } of requests) {
      const text = userText(messages)
      counts.set(text, (counts.get(text) ?? 0) + 1)
    }
  }
  return counts
}

const check = Effect.fnUntraced(function*(
  mock: Context.Context<LlmBatch.LlmBatch | MockLlmBatch.MockLlmBatch>,
  journal: Journal.Journal["Service"],
  crashed: Layer.Layer<Journal.Journal | LlmBatch.LlmBatch>
) {
  const first: Array<unknown> = []
  yield* runFor(
    Effect.scoped(Stream.runForEach(batch, (item) => Effect.sync(() => first.push(item.index)))).pipe(
      Effect.provide(crashed)
    ),
    20
  )
  const items = yield* runFor(
    Stream.runCollect(batch).pipe(
      Effect.provideContext(mock),
      Effect.provideService(Journal.Journal, journal)
    ),
    200
  )
  assert.isDefined(items, "the second run ends")
  assert.deepStrictEqual(
    items.toSorted((a, b) => a.index - b.index).map(({ result }) => Result.isSuccess(result) && result.success.text),
    texts
  )
  const counts = submissions(yield* Context.get(mock, MockLlmBatch.MockLlmBatch).batches)
  for (const text of texts) {
    // One more for each answer that was invalid or missing.
    const expected = ["text 1", "text 3", "text 5"].includes(text) ? 2 : 1
    assert.strictEqual(counts.get(text), expected, `${text} was submitted ${counts.get(text)} times`)
  }
  const notes = yield* Stream.runCollect(journal.notes)
  assert.deepStrictEqual(notes, [], "nothing is left to remember")
})

const memoryJournal = Effect.map(Layer.build(Layer.fresh(Journal.layerMemory)), Context.get(Journal.Journal))

/** A service whose operations with a name hang at the n-th call, before or after it happens. */
const hanging = <S extends object>(service: S, names: ReadonlyArray<keyof S>, at: number, after: boolean): S => {
  let calls = 0
  const copy = { ...service }
  for (const name of names) {
    const original = service[name] as (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown>
    copy[name] = ((...args: ReadonlyArray<unknown>) =>
      Effect.suspend(() => {
        if (calls++ < at) return original(...args)
        return after && calls === at + 1 ? Effect.andThen(original(...args), Effect.never) : Effect.never
      })) as never
  }
  return copy
}

describe("an offline run that ends anywhere goes on", () => {
  for (const after of [false, true]) {
    for (let at = 0; at < 16; at++) {
      it.effect(`${after ? "after" : "before"} remote call ${at}`, () =>
        Effect.gen(function*() {
          const mock = yield* MockLlmBatch.make(answers(), { duration: "2 minutes" })
          const journal = yield* memoryJournal
          const service = Context.get(mock, LlmBatch.LlmBatch)
          const hangs = hanging(service, ["submit", "poll", "find", "cancel"], at, after)
          yield* check(
            mock,
            journal,
            Layer.merge(Layer.succeed(Journal.Journal, journal), Layer.succeed(LlmBatch.LlmBatch, hangs))
          )
        }))
    }
    for (let at = 0; at < 26; at++) {
      it.effect(`${after ? "after" : "before"} write ${at}`, () =>
        Effect.gen(function*() {
          const mock = yield* MockLlmBatch.make(answers(), { duration: "2 minutes" })
          const journal = yield* memoryJournal
          const hangs = hanging(journal, ["note", "commit"], at, after)
          yield* check(
            mock,
            journal,
            Layer.merge(
              Layer.succeed(Journal.Journal, hangs),
              Layer.succeed(LlmBatch.LlmBatch, Context.get(mock, LlmBatch.LlmBatch))
            )
          )
        }))
    }
  }

  it.effect("a run that began offline is finished online, and the other way round", () =>
    Effect.gen(function*() {
      const journal = yield* memoryJournal
      const offline = yield* MockLlmBatch.make(({ messages }) => ({ text: userText(messages) }), {
        duration: "2 minutes"
      })
      const some = yield* runFor(
        Stream.runCollect(Batch.offline(echo, texts.slice(0, 4))).pipe(
          Effect.provideContext(offline),
          Effect.provideService(Journal.Journal, journal)
        ),
        20
      )
      assert.strictEqual(some!.length, 4)
      yield* Effect.gen(function*() {
        const all = yield* runFor(Stream.runCollect(Batch.resumable(echo, texts)), 20)
        assert.strictEqual(all!.filter(({ restored }) => restored).length, 4)
        assert.strictEqual((yield* MockLlm.requests).length, 3)
        const again = yield* runFor(
          Stream.runCollect(Batch.offline(echo, texts)).pipe(Effect.provideContext(offline)),
          20
        )
        assert.isTrue(again!.every(({ restored }) => restored))
      }).pipe(Effect.provide([
        MockLlm.layer(({ messages }) => Reply.json({ text: userText(messages) })),
        Layer.succeed(Journal.Journal, journal)
      ]))
    }))
})
