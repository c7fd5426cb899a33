import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Result, Schema, Stream } from "effect"
import { Batch, Extraction, ExtractionStream, Journal, type LlmRequest } from "effect-instructor"
import { MockLlm, MockLlmBatch, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"

const Row = Schema.Struct({ name: Schema.String, note: Schema.NullOr(Schema.String), amount: Schema.Finite })
const Rows = Schema.Struct({ rows: Schema.Array(Row) })
const rows = Extraction.make<typeof Rows.Type, never, string>({ schema: Rows, maxContinuations: 100 })

const row = (i: number) => ({
  name: `Ada ${i} "the first"\\`,
  note: i % 3 === 0 ? null : `line\n${i} é😀`,
  amount: i * 12.5
})
const value = { rows: Array.from({ length: 12 }, (_, i) => row(i)) }

const textOf = ({ content }: LlmRequest.Message): string => content as string

/** A model that says `size` characters at a time, and continues as it is asked to. */
const patient = (json: Schema.Json, size: number): MockLlm.Handler => ({ messages, output }) => {
  const full = output.mode === "markdown" ? `\`\`\`json\n${JSON.stringify(json)}\n\`\`\`` : JSON.stringify(json)
  const last = messages.at(-1)!
  if (output.mode !== "text") return cutAt(full, size)
  const whole = messages.some(({ content }) => textOf({ content } as LlmRequest.Message).includes("```"))
    ? `\`\`\`json\n${JSON.stringify(json)}\n\`\`\``
    : full
  if (last.role === "assistant") return cutAt(whole.slice(last.content.length), size)
  const said = textOf(messages.at(-2)!)
  const anchor = textOf(last).split("leave nothing out:\n")[1]!
  assert.isTrue(said.endsWith(anchor))
  assert.isTrue(whole.startsWith(said))
  return cutAt(anchor + whole.slice(said.length), size + anchor.length)
}

const cutAt = (text: string, size: number): Reply.Reply =>
  text.length <= size ? Reply.text(text) : Reply.truncated(text.slice(0, size))

const tag = <A, E extends { readonly reason: { readonly _tag: string } }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

describe("maxContinuations", () => {
  for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
    it.effect(`joins the parts of an answer exactly in mode ${mode}`, () =>
      Effect.forEach([40, 97, 200, 333], (size) =>
        Effect.gen(function*() {
          const one = Extraction.with(rows, { mode })
          const { attempts, completion, usage, value: joined } = yield* Extraction.extractDetailed(one, "x")
          assert.deepStrictEqual(joined, value)
          assert.isAbove(attempts, 1)
          assert.strictEqual(completion.usage.outputTokens, usage.outputTokens)
          assert.strictEqual(completion.finishReason, "stop")
        }).pipe(Effect.provide(MockLlm.layer(patient(value, size))))))
  }

  it.effect("lets models of Anthropic that can go on with their own words", () =>
    Effect.gen(function*() {
      const { value: joined } = yield* Extraction.extractDetailed(
        Extraction.with(rows, { model: "claude-sonnet-4-5" }),
        "x"
      )
      assert.deepStrictEqual(joined, value)
      const requests = yield* MockLlm.requests
      assert.isTrue(requests.slice(1).every(({ messages }) => messages.at(-1)!.role === "assistant"))
      yield* Extraction.extract(Extraction.with(rows, { model: "claude-opus-4-6" }), "x")
      assert.strictEqual((yield* MockLlm.requests).at(-1)!.messages.at(-1)!.role, "user")
    }).pipe(Effect.provide(MockLlm.layer(patient(value, 200), { dialect: "anthropic" }))))

  it.effect.prop("is the same value as in one answer, wherever it is cut", {
    json: Schema.Struct({ rows: Schema.Array(Row) }),
    size: Schema.Int.check(Schema.isBetween({ minimum: 30, maximum: 400 }))
  }, ({ json, size }) =>
    Effect.gen(function*() {
      const result = yield* Effect.result(Extraction.extract(rows, "x"))
      // A part may be shorter than the value that it cuts.
      if (Result.isSuccess(result)) assert.deepStrictEqual(result.success, JSON.parse(JSON.stringify(json)))
      else assert.strictEqual(result.failure.reason._tag, "Truncated")
    }).pipe(Effect.provide(MockLlm.layer(patient(json, size)))))

  it.effect("never takes a number or a short text for whole that was cut off", () =>
    Effect.gen(function*() {
      const One = Extraction.make({
        schema: Schema.Struct({ n: Schema.Int, name: Schema.String }),
        maxContinuations: 1
      })
      assert.deepStrictEqual(yield* Extraction.extract(One, "x"), { n: 1234, name: "Annabel" })
      assert.deepStrictEqual(yield* Extraction.extract(One, "x"), { n: 1234, name: "Annabel" })
    }).pipe(Effect.provide(MockLlm.layer([
      Reply.truncated("{\"n\":12"),
      "{\"n\":1234,\"name\":\"Annabel\"}",
      Reply.truncated("{\"n\":1234,\"name\":\"Ann"),
      "{\"n\": 1234, \"name\": \"Annabel\"}"
    ]))))

  for (
    const [name, rest] of [
      ["begins elsewhere", "\"age\":36}"],
      ["repeats a part of the end", "ada\",\"age\":36}"],
      ["begins again in another way", "{\"person\":{\"name\":\"Ada\",\"age\":36}}"],
      ["is prose", "Here is the rest of the answer."],
      ["is empty", ""]
    ] as const
  ) {
    it.effect(`fails with Truncated and all that arrived if the rest ${name}`, () =>
      Effect.gen(function*() {
        const one = Extraction.make({
          schema: Schema.Struct({ name: Schema.String, age: Schema.Int }),
          maxContinuations: 3
        })
        const error = yield* Effect.flip(Extraction.extract(one, "x"))
        assert(error.reason._tag === "Truncated")
        assert.strictEqual(error.reason.text, "{\"name\":\"Ada\",")
        assert.strictEqual(error.reason.continuations, 1)
        assert.strictEqual(error.attempts, 2)
        assert.isTrue(error.usage.outputTokens > 0)
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated("{\"name\":\"Ada\",\"ag"), rest]))))
  }

  it.effect("decodes the joined answer as a whole, and asks again for one that is not valid", () =>
    Effect.gen(function*() {
      const one = Extraction.make({
        schema: Schema.Struct({ name: Schema.String, age: Schema.Int }),
        maxContinuations: 1,
        mode: "tools"
      })
      const { attempts, value } = yield* Extraction.extractDetailed(one, "x")
      assert.deepStrictEqual([value, attempts], [{ name: "Ada", age: 36 }, 3])
      const [, rest, reask] = yield* MockLlm.requests
      assert.strictEqual(rest!.output.mode, "text")
      assert.strictEqual(reask!.output.mode, "tools")
      assert.deepInclude(reask!.messages.at(-2), {
        role: "assistant",
        toolCalls: [{ id: "continued", name: "Response", arguments: "{\"name\":\"Ada\",\"age\":\"old\"}" }]
      })
    }).pipe(Effect.provide(MockLlm.layer([
      Reply.truncated("{\"name\":\"Ada\",\"age\":\"o"),
      "{\"name\":\"Ada\",\"age\":\"old\"}",
      { name: "Ada", age: 36 }
    ]))))

  it.effect("stops after so many continuations, and after none by default", () =>
    Effect.gen(function*() {
      const two = Extraction.with(rows, { maxContinuations: 2 })
      const error = yield* Effect.flip(Extraction.extract(two, "x"))
      assert.strictEqual(error.reason._tag, "Truncated")
      assert.strictEqual(error.attempts, 3)
      const none = yield* Effect.flip(Extraction.extract(Rows, "x"))
      assert.strictEqual(none.attempts, 1)
    }).pipe(Effect.provide(MockLlm.layer(patient(value, 60)))))

  it.effect("keeps a refusal and a filter in a continuation apart", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* tag(Extraction.extract(rows, "x")), "Refused")
      assert.strictEqual(yield* tag(Extraction.extract(rows, "x")), "ContentFiltered")
    }).pipe(Effect.provide(MockLlm.layer([
      Reply.truncated("{\"rows\":["),
      Reply.refusal("No"),
      Reply.truncated("{\"rows\":["),
      Reply.filtered("")
    ]))))

  it.effect("works in partial streams", () =>
    Effect.gen(function*() {
      const last = yield* Stream.runLast(ExtractionStream.partial(rows, "x", { every: true }))
      assert.deepStrictEqual(Option.getOrThrow(last).value, value)
    }).pipe(Effect.provide(MockLlm.layer(patient(value, 100)))))

  for (
    const [mode, dialect, model] of [
      ["json_schema", "plain", "small"],
      ["tools", "plain", "small"],
      ["markdown", "plain", "small"],
      ["json_schema", "anthropic", "claude-sonnet-4-5"]
    ] as const
  ) {
    it.effect(`continues a streamed list in mode ${mode} with ${model}, and emits each element once`, () =>
      Effect.forEach([50, 97, 200, 333], (size) =>
        Effect.gen(function*() {
          const element = Extraction.make({ schema: Row, maxContinuations: 100, mode, model })
          let attempts = 0
          const elements = yield* Stream.runCollect(ExtractionStream.elements(element, "x", {
            onEnd: (summary) => Effect.sync(() => attempts = summary.attempts)
          }))
          assert.deepStrictEqual(elements.map(({ result }) => Result.getOrThrow(result)), value.rows)
          assert.deepStrictEqual(elements.map(({ index }) => index), value.rows.map((_, i) => i))
          assert.isAbove(attempts, 1)
        }).pipe(Effect.provide(MockLlm.layer(patient({ items: value.rows }, size), { dialect, chunkSize: 7 })))))
  }

  it.effect("continues a list of numbers where it is certain that one has ended", () =>
    Effect.gen(function*() {
      const one = Extraction.make({ schema: Schema.Int, maxContinuations: 1 })
      assert.deepStrictEqual(yield* Stream.runCollect(ExtractionStream.values(one, "x")), [1, 2, 345, 6])
      assert.deepStrictEqual(yield* Stream.runCollect(ExtractionStream.values(one, "x")), [1, 2, 345, 6])
    }).pipe(Effect.provide(MockLlm.layer([
      Reply.truncated("{\"items\":[1,2,34"),
      "{\"items\":[1,2,345,6]}",
      Reply.truncated("{\"items\":[1,2,345 "),
      "{\"items\":[1,2, 345,6]}"
    ]))))

  it.effect("fails a streamed list whose rest does not fit, after its elements", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const one = Extraction.make({ schema: Schema.Int, maxContinuations: 1 })
      const error = yield* Effect.flip(Stream.runForEach(
        ExtractionStream.values(one, "x"),
        (n) => Effect.sync(() => seen.push(n))
      ))
      assert.strictEqual(error.reason._tag, "Truncated")
      assert.deepStrictEqual(seen, [1, 2])
    }).pipe(Effect.provide(MockLlm.layer([Reply.truncated("{\"items\":[1,2,3"), "{\"items\":[4]}"]))))

  it.effect("asks again for invalid elements of a continued list", () =>
    Effect.gen(function*() {
      const one = Extraction.make({ schema: Schema.Int, maxContinuations: 1, maxAttempts: 2 })
      const elements = yield* Stream.runCollect(ExtractionStream.elements(one, "x", { reask: true }))
      assert.deepStrictEqual(
        elements.map(({ index, result }) => [index, Result.getOrThrow(result)]),
        [[0, 1], [2, 3], [4, 5], [1, 2], [3, 4]]
      )
      const complaint = textOf((yield* MockLlm.requests).at(-1)!.messages.at(-1)!)
      assert.include(complaint, "items[1]")
      assert.include(complaint, "items[3]")
    }).pipe(Effect.provide(MockLlm.layer([
      Reply.truncated("{\"items\":[1,\"two\",3,"),
      "{\"items\":[1,\"two\",3,\"four\",5]}",
      { items: [2, 4] }
    ]))))

  it.effect("works in resumable and offline batches", () =>
    Effect.gen(function*() {
      const inputs = ["a", "b"]
      const run = <E, R>(items: Stream.Stream<Batch.Item<typeof Rows.Type, string>, E, R>) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Stream.runCollect(items))
          yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.yieldNow, TestClock.adjust("1 minute"))))
          return yield* Fiber.join(fiber)
        }).pipe(Effect.provide(Journal.layerMemory))
      const joined = [
        yield* run(Batch.resumable(rows, inputs)),
        yield* run(Batch.offline(rows, inputs)),
        yield* run(Batch.offline(rows, inputs, { finish: "batch" }))
      ]
      for (const items of joined) {
        assert.deepStrictEqual(items.map(({ result }) => Result.getOrThrow(result)), [value, value])
        assert.isTrue(items.every(({ attempts }) => attempts > 2))
      }
      const cut = yield* run(Batch.offline(rows, inputs, { finish: "none" }))
      assert.deepStrictEqual(
        cut.map(({ result }) => Result.isFailure(result) && result.failure.reason._tag),
        ["Truncated", "Truncated"]
      )
    }).pipe(Effect.provide([MockLlm.layer(patient(value, 200)), MockLlmBatch.layer(patient(value, 200))])))
})
