import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, Option, Result, Schema, SchemaTransformation, Stream, Tracer } from "effect"
import { Extraction, ExtractionStream, Llm, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { ada, alan, elements, grace, modes, outcome, Person, person, shown } from "../support/streams.ts"

describe("ExtractionStream", () => {
  describe("elements", () => {
    for (const mode of modes) {
      it.effect(`emits elements one by one in mode ${mode}, whatever surrounds the list`, () =>
        Effect.gen(function*() {
          const list = [ada, alan].map((one) => JSON.stringify(one)).join(" ,\n")
          const texts = [
            `{"items":[${list}]}`,
            `[${list}]`,
            `{"note":"a ] } \\"items\\": [","more":[{"items":[1]}],"items" : [ ${list} ] ,"after":{"items":[2]}}`,
            `Here are [2] of {them}:\n\n\`\`\`json\n{"items": [${list}]}\n\`\`\`\nThat is [all] there is.`,
            `\`\`\`\n[${list}]\n\`\`\``,
            `{"it\\u0065ms":[${list},]}`
          ]
          for (const text of texts) {
            for (const chunkSize of [1, 2, 7, 1000]) {
              const { error, seen } = yield* elements(Person, text, { chunkSize, mode })
              assert.strictEqual(error?.message, undefined, text)
              assert.deepStrictEqual(shown(seen), [[0, ada], [1, alan]])
            }
          }
        }))
    }

    it.effect("accepts elements of any JSON form", () =>
      Effect.gen(function*() {
        const cases: ReadonlyArray<readonly [Schema.ConstraintDecoder<unknown>, Array<Schema.Json>]> = [
          [Schema.String, ["", "a,]}", "\"\\", "🦄", "{\"items\":[1]}"]],
          [Schema.Finite, [0, -1.5e10, 12]],
          [Schema.Array(Schema.Int), [[], [1, 2], [3]]],
          [Schema.Union([Schema.Boolean, Schema.Null, Person]), [true, null, ada, false]],
          [Schema.Union([Schema.Struct({ value: Schema.Int }), Schema.Struct({ items: Schema.String })]), [
            { value: 1 },
            { items: "[" }
          ]],
          [Schema.Record(Schema.String, Schema.Int), [{ a: 1 }, {}]]
        ]
        for (const [schema, list] of cases) {
          for (const chunkSize of [1, 5]) {
            const { error, seen } = yield* elements(schema, { items: list }, { chunkSize })
            assert.strictEqual(error?.message, undefined)
            assert.deepStrictEqual(seen.map(({ result }) => Result.getOrThrow(result)), list)
          }
        }
      }))

    it.effect("emits an element with its last character, before the next piece arrives", () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const fiber = yield* ExtractionStream.values(person, "text").pipe(
          Stream.runForEach((value) => Effect.sync(() => seen.push(value))),
          // A list of two, one character a second.
          Effect.provide(MockLlm.layer([JSON.stringify([ada, alan])], { chunkSize: 1, chunkDelay: "1 second" })),
          Effect.forkChild
        )
        const first = 1 + JSON.stringify(ada).length
        yield* TestClock.adjust(`${first - 1} seconds`)
        assert.deepStrictEqual(seen, [])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(seen, [ada])
        yield* TestClock.adjust(`${JSON.stringify(alan).length + 1} seconds`)
        assert.deepStrictEqual(seen, [ada, alan])
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
      }))

    it.effect("emits an element that does not decode as a failure, with its index and text", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* elements(Person, `{"items":[${JSON.stringify(ada)},{"name":1,"age":"x"},[}}]]}`)
        assert.strictEqual(error?.reason._tag, "InvalidOutput")
        assert.strictEqual(seen.length, 3)
        const [, bad] = seen
        assert.strictEqual(bad!.text, "{\"name\":1,\"age\":\"x\"}")
        const failure = Option.getOrThrow(Result.getFailure(bad!.result))
        assert.strictEqual(failure.reason._tag, "InvalidOutput")
        assert.deepStrictEqual(
          failure.reason._tag === "InvalidOutput" ? failure.reason.issues.map(({ path }) => path) : [],
          [[1, "name"], [1, "age"]]
        )
      }))

    it.effect("repairs broken JSON in elements", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* elements(
          Person,
          "{\"items\":[{name: 'Ada', age: 36,},{\"name\":\"Alan\" \"age\":41}]}"
        )
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(shown(seen), [[0, ada], [1, alan]])
      }))

    it.effect("runs the effects of decoding", () =>
      Effect.gen(function*() {
        const Doubled = Schema.Finite.pipe(
          Schema.decodeTo(
            Schema.Finite,
            SchemaTransformation.transformEffect({
              decode: (n) => Effect.as(Effect.sleep("1 second"), n * 2),
              encode: (n) => Effect.succeed(n / 2)
            })
          )
        )
        const fiber = yield* Effect.forkChild(elements(Doubled, { items: [1, 2, 3] }))
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(shown((yield* Fiber.join(fiber)).seen), [[0, 2], [1, 4], [2, 6]])
      }))

    it.effect("decodes __proto__ and constructor as data", () =>
      Effect.gen(function*() {
        const text =
          "{\"__proto__\":1,\"constructor\":[],\"items\":[{\"__proto__\":{\"polluted\":1},\"constructor\":2}]}"
        const { error, seen } = yield* elements(Schema.Unknown, text, { chunkSize: 3, mode: "json" })
        assert.strictEqual(error?.message, undefined)
        const value = Result.getOrThrow(seen[0]!.result) as object
        assert.deepStrictEqual(Object.keys(value), ["__proto__", "constructor"])
        assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
        assert.isUndefined(({} as { polluted?: number }).polluted)
      }))

    for (
      const [name, text, tag, count, message] of [
        ["no list", "{\"people\":[1]}", "InvalidOutput", 0, "no list"],
        ["nothing", " \n", "InvalidOutput", 0, "empty"],
        ["prose", "There are no people [in] {here}.", "InvalidOutput", 0, "no list"],
        ["another value under the key", "{\"items\":{\"a\":1}}", "InvalidOutput", 0, "Expected a list"],
        ["a list that breaks off", "{\"items\":[1,2", "InvalidOutput", 1, "after 1 elements"],
        ["an object that breaks off", "{\"items\":[1,2],\"a\":", "InvalidOutput", 2, "after its list"],
        ["two commas", "{\"items\":[1,,2]}", "InvalidOutput", 1, "Expected element 1"],
        ["two lists", "{\"items\":[1]}\n{\"items\":[2]}", "InvalidOutput", 1, "more than one list"],
        ["the key twice", "{\"items\":[1],\"items\":[2]}", "InvalidOutput", 1, "more than one list"],
        ["another value and a list under the key", "{\"items\":3,\"items\":[1]}", "InvalidOutput", 0, "another value"],
        ["an object without its start", ",tems\": [\n[\"]\"],\n[]\n]\n}", "InvalidOutput", 0, "no list"],
        [
          "an object without its start and end",
          "null\"items\": [\n[\"]\"],\n[]\n],\n\"z\": 1,",
          "InvalidOutput",
          0,
          "no list"
        ],
        ["an empty list and a stray brace", "[]\n}", "InvalidOutput", 0, "broken after its list"],
        ["a truncated answer", Reply.truncated("{\"items\":[1,2,3"), "Truncated", 2, "cut off"],
        ["a truncated answer after its list", Reply.truncated("{\"items\":[1,2,3]"), "Truncated", 3, "cut off"],
        ["a filtered answer", Reply.filtered("{\"items\":[1,2"), "ContentFiltered", 1, "filter"],
        ["a refusal", Reply.refusal("No."), "Refused", 0, "No."],
        ["a refusal that looks like a list", Reply.refusal("[1, 2]"), "Refused", 0, "[1, 2]"]
      ] as const
    ) {
      it.effect(`fails with a typed error after the complete elements: ${name}`, () =>
        Effect.gen(function*() {
          for (const chunkSize of [1, 4, 1000]) {
            const { error, seen } = yield* elements(Schema.Int, text, { chunkSize, mode: "json" })
            assert.strictEqual(error?.reason._tag, tag)
            assert.include(error!.message, message)
            assert.strictEqual(seen.length, count)
            assert.strictEqual(error!.attempts, 1)
            assert.isAbove(Usage.totalTokens(error!.usage), 0)
          }
        }))
    }

    it.effect("accepts a truncated answer whose list is complete", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* elements(Schema.Int, Reply.truncated("{\"items\":[1,2]}"))
        assert.strictEqual(error, undefined)
        assert.strictEqual(seen.length, 2)
      }))

    it.effect("reads text instead of a tool call, and a tool call instead of text", () =>
      Effect.gen(function*() {
        for (const mode of modes) {
          const other = Llm.make({
            provider: "other",
            model: "other",
            complete: () =>
              Effect.succeed({
                id: "1",
                model: "other",
                text: mode === "tools" ? "{\"items\":[1,2]}" : "",
                toolCalls: mode === "tools" ? [] : [{ id: "1", name: "thing", arguments: "{\"items\":[1,2]}" }],
                finishReason: "stop",
                usage: Usage.zero
              })
          })
          const values = yield* ExtractionStream.values(Extraction.make({ schema: Schema.Int, mode }), "text").pipe(
            Stream.runCollect,
            Effect.provideService(Llm.Llm, other)
          )
          assert.deepStrictEqual(values, [1, 2])
        }
      }))

    it.effect("reports a second tool call, whose elements it does not emit", () =>
      Effect.gen(function*() {
        const twice = Llm.make({
          provider: "other",
          model: "other",
          complete: () =>
            Effect.succeed({
              id: "1",
              model: "other",
              text: "",
              toolCalls: ["1", "2"].map((id) => ({ id, name: "thing", arguments: `{"items":[${id}]}` })),
              finishReason: "tool-calls",
              usage: Usage.zero
            })
        })
        const { error, seen } = yield* outcome(
          ExtractionStream.values(Extraction.make({ schema: Schema.Int, mode: "tools" }), "text")
        ).pipe(Effect.provideService(Llm.Llm, twice))
        assert.deepStrictEqual(seen, [1])
        assert.include(error!.message, "more than once")
      }))

    it.effect("stops reading beyond maxLength and maxDepth", () =>
      Effect.gen(function*() {
        const deep = `{"items":[1,${"[".repeat(10_000)}`
        for (const text of [deep, `{"skipped":${"{\"a\":".repeat(10_000)}`]) {
          const { error } = yield* elements(Schema.Unknown, text, { mode: "json", chunkSize: 1000 })
          assert.strictEqual(error?.reason._tag, "LimitExceeded")
          assert.include(error!.message, "256 levels")
        }
        const long = yield* elements(Schema.Int, { items: [1, 2, 3, 4] }, { maxLength: 12, chunkSize: 1 })
        assert.deepStrictEqual(shown(long.seen), [[0, 1]])
        assert.include(long.error!.message, "12 characters")
        const shallow = yield* elements(Schema.Unknown, { items: [[1], [[1]]] }, { maxDepth: 1, mode: "json" })
        assert.deepStrictEqual(shown(shallow.seen), [[0, [1]]])
      }))

    it.effect("stops an endless answer at the limit", () =>
      Effect.gen(function*() {
        let pulled = 0
        const piece = "x".repeat(1_000_000)
        const endless = Llm.make({
          provider: "endless",
          model: "endless",
          complete: () => Effect.never,
          stream: () =>
            Stream.fromEffectRepeat(Effect.sync(() => ({
              _tag: "TextDelta" as const,
              delta: pulled++ === 0 ? "{\"items\":[\"" : piece
            })))
        })
        const { error } = yield* outcome(ExtractionStream.values(Schema.String, "text")).pipe(
          Effect.provideService(Llm.Llm, endless)
        )
        assert.strictEqual(error?.reason._tag, "LimitExceeded")
        assert.isBelow(pulled, 40)
      }))

    it.effect("fails with Stalled and the text so far when an answer pauses for longer than idleTimeout", () =>
      Effect.gen(function*() {
        const slow = (delays: ReadonlyArray<number>) =>
          Llm.make({
            provider: "slow",
            model: "slow",
            complete: () => Effect.never,
            stream: () =>
              Stream.fromIterable(delays).pipe(
                Stream.rechunk(1),
                Stream.mapEffect((seconds, i) =>
                  Effect.as(Effect.sleep(seconds * 1000), {
                    _tag: "TextDelta" as const,
                    delta: i === 0 ? "{\"items\":[0" : `,${i}`
                  })
                )
              )
          })
        // The wait for the first piece is not a pause.
        const fiber = yield* outcome(ExtractionStream.values(Schema.Int, "text", { idleTimeout: "10 seconds" })).pipe(
          Effect.provideService(Llm.Llm, slow([300, 9, 9, 11])),
          Effect.forkChild
        )
        yield* TestClock.adjust("318 seconds")
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 second")
        const { error, seen } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, [0, 1])
        assert.strictEqual(error?.reason._tag, "Stalled")
        assert.strictEqual(error?.reason._tag === "Stalled" && error.reason.text, "{\"items\":[0,1,2")
      }))

    it.effect("applies the timeout of the extraction to the whole answer", () =>
      Effect.gen(function*() {
        const fiber = yield* outcome(
          ExtractionStream.values(Extraction.make({ schema: Schema.Int, timeout: "5500 millis" }), "text")
        ).pipe(
          Effect.provide(MockLlm.layer(["[1,2,3,4,5,6,7,8]"], { chunkSize: 1, chunkDelay: "1 second" })),
          Effect.forkChild
        )
        yield* TestClock.adjust("10 seconds")
        const { error, seen } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual(error?.reason._tag, "TimedOut")
      }))

    it.effect("reports its usage to onEnd and to telemetry", () =>
      Effect.gen(function*() {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        let summary: ExtractionStream.Summary | undefined
        const before = yield* Metric.value(Extraction.metrics.outputTokens)
        yield* ExtractionStream.elements(person, "text", {
          onEnd: (ended) => Effect.sync(() => summary = ended)
        }).pipe(
          Stream.runDrain,
          Effect.provideService(Tracer.Tracer, tracer),
          Effect.provide(MockLlm.layer([
            Reply.withUsage({ items: [ada, { name: 1 }] }, { inputTokens: 20, outputTokens: 7 })
          ]))
        )
        assert.deepStrictEqual(
          summary && { ...summary, usage: summary.usage.outputTokens },
          { elements: 2, attempts: 1, usage: 7, model: "mock", finishReason: "stop" }
        )
        assert.strictEqual((yield* Metric.value(Extraction.metrics.outputTokens)).count, before.count + 7)
        assert.deepStrictEqual(spans.map(({ name }) => name), ["extract personList", "chat mock"])
        assert.deepStrictEqual(spans.map((span) => span.attributes.get("gen_ai.usage.output_tokens")), [7, 7])
        assert.strictEqual(spans[0]!.attributes.get("effect_instructor.outcome"), "Success")
        assert.deepStrictEqual(spans.map(({ status }) => status._tag), ["Ended", "Ended"])
      }))

    it.effect("counts as interrupted when its consumer stops", () =>
      Effect.gen(function*() {
        const interrupted = Metric.withAttributes(Extraction.metrics.extractions, { outcome: "Interrupted" })
        const before = yield* Metric.value(interrupted)
        const values = yield* ExtractionStream.values(Schema.Int, "text").pipe(
          Stream.take(2),
          Stream.runCollect,
          Effect.provide(MockLlm.layer(["[1,2,3,4]"], { chunkSize: 2 }))
        )
        assert.deepStrictEqual(values, [1, 2])
        assert.strictEqual((yield* Metric.value(interrupted)).count, before.count + 1)
      }))

    it.effect("fails before any request when the provider does not accept the schema", () =>
      Effect.gen(function*() {
        const { error } = yield* elements(Schema.Literals(Array.from({ length: 2000 }, (_, i) => `${i}`)), {
          items: []
        })
        assert.strictEqual(error?.reason._tag, "UnsupportedSchema")
        assert.strictEqual(error?.attempts, 0)
      }))
  })

  describe("values", () => {
    it.effect("fails at the first element that does not decode, after the elements before it", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* outcome(ExtractionStream.values(Schema.Int, "text")).pipe(
          Effect.provide(MockLlm.layer([[1, 2, "x", 4]], { chunkSize: 100 }))
        )
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual(error?.reason._tag, "InvalidOutput")
        assert.include(error!.message, "[2]: Expected number")
      }))
  })

  describe("reask", () => {
    const reask = (replies: ReadonlyArray<Reply.Input>, maxAttempts = 3) =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Person, name: "person", maxAttempts })
        const { error, seen } = yield* outcome(ExtractionStream.elements(extraction, "text", { reask: true }))
        const requests = yield* MockLlm.requests
        return { error, seen: shown(seen), asked: requests.map(({ messages }) => messages.at(-1)!.content) }
      }).pipe(Effect.provide(MockLlm.layer(replies)))

    it.effect("asks again for the elements that did not decode, and keeps their indexes", () =>
      Effect.gen(function*() {
        const { asked, error, seen } = yield* reask([
          { items: [ada, { name: "Alan", age: "forty-one" }, grace, { name: "Bob" }] },
          { items: [alan, { name: "Bob", age: null }] },
          { items: [{ name: "Bob", age: 1 }] }
        ])
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[0, ada], [2, grace], [1, alan], [3, { name: "Bob", age: 1 }]])
        assert.include(asked[1], "items[1].age")
        assert.include(asked[1], "items[3].age")
        assert.include(asked[1], "the 2 elements")
        assert.include(asked[2], "items[1].age")
        assert.include(asked[2], "the element named above")
      }))

    it.effect("asks again for the rest of a list that broke off", () =>
      Effect.gen(function*() {
        const { asked, error, seen } = yield* reask([
          `{"items":[${JSON.stringify(ada)},{"name":"Al`,
          { items: [alan, grace] }
        ])
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[0, ada], [1, alan], [2, grace]])
        assert.include(asked[1], "breaks off after 1 elements")
      }))

    it.effect("asks again for the list when there is none", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* reask(["I cannot find any.", { items: [ada] }])
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[0, ada]])
      }))

    it.effect("emits the elements that are still invalid when the attempts are used up", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* reask([{ items: [{ name: 1 }, ada] }, { items: [{ name: 2 }] }], 2)
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[1, ada], [0, "{\"name\":2}"]])
        const fewer = yield* reask([{ items: [{ name: 1 }, { name: 2 }] }, { items: [ada] }], 2)
        assert.deepStrictEqual(fewer.seen, [[0, ada], [1, "{\"name\":2}"]])
        const failed = yield* reask([{ items: [{ name: 1 }, ada] }, Reply.refusal("No.")])
        assert.deepStrictEqual(failed.seen, [[1, ada], [0, "{\"name\":1}"]])
        assert.strictEqual(failed.error?.reason._tag, "Refused")
      }))

    it.effect("fails when an answer has more elements than it was asked for", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* reask([{ items: [ada, { name: 1 }] }, { items: [alan, grace] }])
        assert.deepStrictEqual(seen, [[0, ada], [1, alan]])
        assert.include(error!.message, "more elements than")
      }))

    it.effect("asks again with high priority", () =>
      Effect.gen(function*() {
        const priorities: Array<Llm.Priority> = []
        yield* Stream.runDrain(ExtractionStream.elements(person, "text", { reask: true })).pipe(
          Effect.provide(MockLlm.layer((_, call) =>
            Effect.map(Llm.CurrentPriority, (priority) => {
              priorities.push(priority)
              return { items: [call === 0 ? { name: 1 } : ada] }
            })
          ))
        )
        assert.deepStrictEqual(priorities, ["normal", "high"])
      }))
  })
})
