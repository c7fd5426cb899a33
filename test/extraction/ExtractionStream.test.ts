import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Effect,
  Exit,
  Fiber,
  Metric,
  Option,
  Ref,
  Result,
  Schema,
  SchemaTransformation,
  Stream,
  Tracer
} from "effect"
import {
  Extraction,
  type ExtractionError,
  ExtractionMetrics,
  ExtractionStream,
  Llm,
  type LlmRequest,
  Usage
} from "effect-instructor"
import { Fault, MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { GrowingJson } from "../../src/answer/GrowingJson.ts"
import * as JsonText from "../../src/answer/JsonText.ts"
import { ListReader } from "../../src/answer/ListReader.ts"
import * as SchemaSpec from "../support/schemaSpec.ts"
import * as Simulated from "../support/simulated.ts"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const person = Extraction.make({ schema: Person, name: "person" })
const ada = { name: "Ada", age: 36 }
const alan = { name: "Alan", age: 41 }
const grace = { name: "Grace", age: 85 }

const modes: ReadonlyArray<LlmRequest.OutputMode> = ["json_schema", "tools", "json", "markdown"]

/** What of a stream is to be compared: values, else the text of the element. */
const shown = <A>(elements: ReadonlyArray<ExtractionStream.Element<A>>) =>
  elements.map(({ index, result, text }) => [index, Result.isSuccess(result) ? result.success : text])

/** All that came before the end, and the error it ended with. */
const outcome = <A, R>(stream: Stream.Stream<A, ExtractionError.ExtractionError, R>) =>
  Effect.gen(function*() {
    const seen = yield* Ref.make<ReadonlyArray<A>>([])
    const exit = yield* Effect.exit(Stream.runForEach(stream, (a) => Ref.update(seen, (all) => [...all, a])))
    if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return yield* Effect.die(exit.cause)
    const error = Exit.isFailure(exit) ? Option.getOrThrow(Exit.findErrorOption(exit)) : undefined
    return { seen: yield* Ref.get(seen), error }
  })

const elements = <A, R>(
  schema: Schema.ConstraintDecoder<A, R>,
  reply: Reply.Input,
  options?: ExtractionStream.ElementsOptions & MockLlm.Options & { readonly mode?: LlmRequest.OutputMode }
) =>
  outcome(
    ExtractionStream.elements(Extraction.make({ schema, name: "thing", mode: options?.mode }), "text", options)
  ).pipe(Effect.provide(MockLlm.layer([reply], options)))

const Anything = Schema.Unknown

const upTo = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: most }))

/** Strings with all that could be taken for the end of something. */
const Text = Schema.Array(
  Schema.Literals(["a", "\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "🦄", "é", "items", "`"])
)
  .check(Schema.isMaxLength(6))
const Value = Schema.Union([Schema.Json, Schema.Struct({ text: Text }), Text])

/** A JSON document with a list, keys before and after it, and some way of writing it. */
const Document = Schema.Struct({
  before: Schema.Array(Value).check(Schema.isMaxLength(2)),
  items: Schema.Array(Value).check(Schema.isMaxLength(4)),
  after: Schema.Array(Value).check(Schema.isMaxLength(2)),
  indent: Schema.Literals([0, 2])
})

const toText = ({ after, before, indent, items }: typeof Document.Type): string =>
  JSON.stringify(
    Object.fromEntries([
      ...before.map((value, i) => [`${i} {"items":[`, value]),
      ["items", items],
      ...after.map((value, i) => [`z${i}`, value])
    ]),
    null,
    indent
  )

/** What becomes of a text on its way: something cut, doubled or put in. */
const Corruption = Schema.Struct({
  at: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
  cut: Schema.Literals([0, 1, 2, 30]),
  add: Schema.Literals(["", "\"", "{", "}", "[", "]", ",", ":", "\\", "x", " ", "```", "\n", "\"items\":[", "null"])
})

const corrupt = (text: string, { add, at, cut }: typeof Corruption.Type): string => {
  const position = Math.floor(at * text.length)
  return text.slice(0, position) + add + text.slice(position + cut)
}

describe("ExtractionStream", () => {
  describe("elements", () => {
    for (const mode of modes) {
      it.effect(`come one by one in mode ${mode}, whatever stands around them`, () =>
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

    it.effect("may be anything with a JSON form", () =>
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

    it.effect("leave with their last character, before the next piece is there", () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const fiber = yield* ExtractionStream.values(person, "text").pipe(
          Stream.runForEach((value) => Effect.sync(() => seen.push(value))),
          // In pieces of one character, one a second: a list of two.
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

    it.effect("that do not decode are failures of their own, with their place and text", () =>
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

    it.effect("are mended when they are only broken", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* elements(
          Person,
          "{\"items\":[{name: 'Ada', age: 36,},{\"name\":\"Alan\" \"age\":41}]}"
        )
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(shown(seen), [[0, ada], [1, alan]])
      }))

    it.effect("decode with effects and services", () =>
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

    it.effect("have __proto__ and constructor as data", () =>
      Effect.gen(function*() {
        const text =
          "{\"__proto__\":1,\"constructor\":[],\"items\":[{\"__proto__\":{\"polluted\":1},\"constructor\":2}]}"
        const { error, seen } = yield* elements(Anything, text, { chunkSize: 3, mode: "json" })
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
        ["prose", "There is nobody [in] {here}.", "InvalidOutput", 0, "no list"],
        ["something else under the key", "{\"items\":{\"a\":1}}", "InvalidOutput", 0, "Expected a list"],
        ["a list that breaks off", "{\"items\":[1,2", "InvalidOutput", 1, "after 1 elements"],
        ["an object that breaks off", "{\"items\":[1,2],\"a\":", "InvalidOutput", 2, "after its list"],
        ["two commas", "{\"items\":[1,,2]}", "InvalidOutput", 1, "Expected element 1"],
        ["two lists", "{\"items\":[1]}\n{\"items\":[2]}", "InvalidOutput", 1, "more than one list"],
        ["the key twice", "{\"items\":[1],\"items\":[2]}", "InvalidOutput", 1, "more than one list"],
        ["the key of something else, too", "{\"items\":3,\"items\":[1]}", "InvalidOutput", 0, "something else"],
        ["an object without its beginning", ",tems\": [\n[\"]\"],\n[]\n]\n}", "InvalidOutput", 0, "no list"],
        ["nor its end", "null\"items\": [\n[\"]\"],\n[]\n],\n\"z\": 1,", "InvalidOutput", 0, "no list"],
        ["an empty list, and the end of something", "[]\n}", "InvalidOutput", 0, "broken after its list"],
        ["a cut answer", Reply.truncated("{\"items\":[1,2,3"), "Truncated", 2, "cut off"],
        ["a cut answer after its list", Reply.truncated("{\"items\":[1,2,3]"), "Truncated", 3, "cut off"],
        ["a filtered answer", Reply.filtered("{\"items\":[1,2"), "ContentFiltered", 1, "filter"],
        ["a refusal", Reply.refusal("No."), "Refused", 0, "No."]
      ] as const
    ) {
      it.effect(`end typed after those that are there: ${name}`, () =>
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

    it.effect("are taken from a cut answer whose list is whole all the same", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* elements(Schema.Int, Reply.truncated("{\"items\":[1,2]}"))
        assert.strictEqual(error, undefined)
        assert.strictEqual(seen.length, 2)
      }))

    it.effect("come from a model that wrote text where it was to call a tool, and the other way round", () =>
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

    it.effect("of a second tool call are not dropped in silence", () =>
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

    it.effect("are refused beyond the limits, without reading on", () =>
      Effect.gen(function*() {
        const deep = `{"items":[1,${"[".repeat(10_000)}`
        for (const text of [deep, `{"skipped":${"{\"a\":".repeat(10_000)}`]) {
          const { error } = yield* elements(Anything, text, { mode: "json", chunkSize: 1000 })
          assert.strictEqual(error?.reason._tag, "LimitExceeded")
          assert.include(error!.message, "256 levels")
        }
        const long = yield* elements(Schema.Int, { items: [1, 2, 3, 4] }, { maxLength: 12, chunkSize: 1 })
        assert.deepStrictEqual(shown(long.seen), [[0, 1]])
        assert.include(long.error!.message, "12 characters")
        const shallow = yield* elements(Anything, { items: [[1], [[1]]] }, { maxDepth: 1, mode: "json" })
        assert.deepStrictEqual(shown(shallow.seen), [[0, [1]]])
      }))

    it.effect("of an endless answer stop at the limit, in constant memory", () =>
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

    it.effect("wait for an answer that pauses only so long, and say what had arrived", () =>
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
        // Only what comes after the beginning counts as a pause.
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

    it.effect("are bounded by the extraction's own timeout", () =>
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

    it.effect("tell what they cost when they end, in telemetry too", () =>
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
        const before = yield* Metric.value(ExtractionMetrics.outputTokens)
        yield* ExtractionStream.elements(person, "text", {
          onEnd: (told) => Effect.sync(() => summary = told)
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
        assert.strictEqual((yield* Metric.value(ExtractionMetrics.outputTokens)).count, before.count + 7)
        assert.deepStrictEqual(spans.map(({ name }) => name), ["extract personList", "chat mock"])
        assert.deepStrictEqual(spans.map((span) => span.attributes.get("gen_ai.usage.output_tokens")), [7, 7])
        assert.strictEqual(spans[0]!.attributes.get("effect_instructor.outcome"), "Success")
        assert.deepStrictEqual(spans.map(({ status }) => status._tag), ["Ended", "Ended"])
      }))

    it.effect("count as interrupted when their consumer has enough", () =>
      Effect.gen(function*() {
        const interrupted = Metric.withAttributes(ExtractionMetrics.extractions, { outcome: "Interrupted" })
        const before = yield* Metric.value(interrupted)
        const values = yield* ExtractionStream.values(Schema.Int, "text").pipe(
          Stream.take(2),
          Stream.runCollect,
          Effect.provide(MockLlm.layer(["[1,2,3,4]"], { chunkSize: 2 }))
        )
        assert.deepStrictEqual(values, [1, 2])
        assert.strictEqual((yield* Metric.value(interrupted)).count, before.count + 1)
      }))

    it.effect("need a schema that can be asked for", () =>
      Effect.gen(function*() {
        const { error } = yield* elements(Schema.Unknown, { items: [] })
        assert.strictEqual(error?.reason._tag, "UnsupportedSchema")
        assert.strictEqual(error?.attempts, 0)
      }))
  })

  describe("values", () => {
    it.effect("end with the first that does not decode, after those before it", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* outcome(ExtractionStream.values(Schema.Int, "text")).pipe(
          Effect.provide(MockLlm.layer([[1, 2, "x", 4]], { chunkSize: 100 }))
        )
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual(error?.reason._tag, "InvalidOutput")
        assert.include(error!.message, "[2]: Expected number")
      }))
  })

  describe("asking again", () => {
    const reask = (replies: ReadonlyArray<Reply.Input>, maxAttempts = 3) =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Person, name: "person", maxAttempts })
        const { error, seen } = yield* outcome(ExtractionStream.elements(extraction, "text", { reask: true }))
        const requests = yield* MockLlm.requests
        return { error, seen: shown(seen), asked: requests.map(({ messages }) => messages.at(-1)!.content) }
      }).pipe(Effect.provide(MockLlm.layer(replies)))

    it.effect("is for the elements that did not decode, and puts them in their places", () =>
      Effect.gen(function*() {
        const { asked, error, seen } = yield* reask([
          { items: [ada, { name: "Alan", age: "41" }, grace, { name: "Bob" }] },
          { items: [alan, { name: "Bob", age: null }] },
          { items: [{ name: "Bob", age: 1 }] }
        ])
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[0, ada], [2, grace], [1, alan], [3, { name: "Bob", age: 1 }]])
        assert.include(asked[1], "items[1].age")
        assert.include(asked[1], "items[3].age")
        assert.include(asked[1], "the 2 elements")
        assert.include(asked[2], "items[1].age")
        assert.include(asked[2], "the one element")
      }))

    it.effect("is for the rest of a list that broke off", () =>
      Effect.gen(function*() {
        const { asked, error, seen } = yield* reask([
          `{"items":[${JSON.stringify(ada)},{"name":"Al`,
          { items: [alan, grace] }
        ])
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[0, ada], [1, alan], [2, grace]])
        assert.include(asked[1], "breaks off after 1 elements")
      }))

    it.effect("is for the list, where there was none", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* reask(["I cannot find any.", { items: [ada] }])
        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(seen, [[0, ada]])
      }))

    it.effect("ends with the attempts, and loses nothing", () =>
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

    it.effect("tells when more comes than was asked for", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* reask([{ items: [ada, { name: 1 }] }, { items: [alan, grace] }])
        assert.deepStrictEqual(seen, [[0, ada], [1, alan]])
        assert.include(error!.message, "more elements than")
      }))
  })

  describe("over HTTP", () => {
    it.live("arrive down to single bytes of a character", () =>
      Effect.gen(function*() {
        const list = ["Zoë 🦄", "\"]}\\", "日本"]
        for (const mode of modes) {
          for (const fragmentSize of [1, 3, undefined]) {
            const values = yield* Stream.runCollect(
              ExtractionStream.values(Extraction.make({ schema: Schema.String, mode }), "text")
            ).pipe(Effect.provide(Simulated.governed({ answer: () => ({ items: list }), fragmentSize, chunkSize: 3 })))
            assert.deepStrictEqual(values, list)
          }
        }
      }))

    it.live("a connection that is lost is a failure with what had arrived", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* outcome(ExtractionStream.values(Schema.Int, "text"))
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual(error?.reason._tag, "Disconnected")
        assert.strictEqual(error?.reason._tag === "Disconnected" && error.reason.text.slice(0, 14), "{\"items\":[1,2,")
      }).pipe(
        Effect.provide(Simulated.governed({
          answer: () => Fault.dropInside({ items: [1, 2, 3] }, { afterChunks: 16 }),
          chunkSize: 1,
          chunkDelay: "1 millis"
        }))
      ))

    it.live("a connection that stalls is a failure with what had arrived", () =>
      Effect.gen(function*() {
        const { error, seen } = yield* outcome(
          ExtractionStream.values(Schema.Int, "text", { idleTimeout: "200 millis" })
        )
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual(error?.reason._tag, "Stalled")
      }).pipe(
        Effect.provide(Simulated.governed({
          answer: () => Fault.hangInside({ items: [1, 2, 3] }, { afterChunks: 16 }),
          chunkSize: 1
        }))
      ))

    it.live("the request is aborted when the consumer has enough, or is interrupted", () =>
      Effect.gen(function*() {
        const run = Stream.runCollect(Stream.take(ExtractionStream.values(Schema.Int, "text"), 2))
        assert.deepStrictEqual(yield* run, [0, 1])
        const fiber = yield* Effect.forkChild(Stream.runDrain(ExtractionStream.values(Schema.Int, "text")))
        yield* Effect.sleep("100 millis")
        yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("100 millis")
        assert.strictEqual((yield* Simulated.ledger).inFlight, 0)
      }).pipe(
        Effect.provide(
          Simulated.governed({
            answer: () => ({ items: Array.from({ length: 10_000 }, (_, i) => i) }),
            chunkDelay: "2 millis"
          })
        )
      ))
  })

  describe("batch", () => {
    it.effect("gives the elements of every input, and the failures of inputs as values", () =>
      Effect.gen(function*() {
        const items = yield* Stream.runCollect(
          ExtractionStream.batch(Schema.Int, Stream.make("a", "b", "c", "d"), { concurrency: 2 })
        ).pipe(Effect.provide(MockLlm.layer({
          a: { items: [1, 2] },
          b: Reply.truncated("{\"items\":[3,4"),
          c: { items: [] },
          d: { items: [5, "x"] }
        })))
        const of = (name: string) =>
          items.filter(({ input }) => input === name).map(({ index, inputIndex, result }) => [
            inputIndex,
            index,
            Result.isSuccess(result) ? result.success : result.failure.reason._tag
          ])
        assert.deepStrictEqual(of("a"), [[0, 0, 1], [0, 1, 2]])
        assert.deepStrictEqual(of("b"), [[1, 0, 3], [1, undefined, "Truncated"]])
        assert.deepStrictEqual(of("c"), [])
        assert.deepStrictEqual(of("d"), [[3, 0, 5], [3, 1, "InvalidOutput"]])
      }))

    it.live("sends nothing more after a failure that all would meet", () =>
      Effect.gen(function*() {
        const items = yield* Stream.runCollect(
          ExtractionStream.batch(Schema.Int, ["a", "b", "c"], { concurrency: 1 })
        )
        assert.deepStrictEqual(items.map(({ inputIndex }) => inputIndex), [0, 1, 2])
        assert.strictEqual((yield* Simulated.ledger).requests, 1)
      }).pipe(Effect.provide(Simulated.governed({ answer: () => Fault.insufficientQuota }))))
  })

  describe("partial", () => {
    const Order = Schema.Struct({
      id: Schema.Int,
      note: Schema.String,
      lines: Schema.Array(Schema.Struct({ sku: Schema.String, ok: Schema.Boolean }))
    })
    const order = { id: 17, note: "say \"hi\" \n🦄", lines: [{ sku: "a", ok: true }, { sku: "b", ok: false }] }

    for (const mode of modes) {
      it.effect(`grows to the value in mode ${mode}`, () =>
        Effect.gen(function*() {
          const snapshots = yield* ExtractionStream.partial(Extraction.make({ schema: Order, mode }), "text", {
            every: true
          }).pipe(Stream.runCollect, Effect.provide(MockLlm.layer([order], { chunkSize: 1 })))
          const values = snapshots.map(({ value }) => value)
          assert.deepStrictEqual(values.at(-1), order)
          assert.deepStrictEqual(values.at(-2), order)
          assert.deepStrictEqual(values[0], {})
          assert.deepStrictEqual(
            Array.from(new Set(snapshots.flatMap(({ value }) => value.note ?? []))),
            [
              "",
              "s",
              "sa",
              "say",
              "say ",
              "say \"",
              "say \"h",
              "say \"hi",
              "say \"hi\"",
              "say \"hi\" ",
              "say \"hi\" \n",
              "say \"hi\" \n🦄"
            ]
          )
          const last = snapshots.at(-1)!
          assert.strictEqual(last._tag === "Complete" ? last.attempts : 0, 1)
        }))
    }

    it.effect("starts over when the answer does not decode", () =>
      Effect.gen(function*() {
        const snapshots = yield* ExtractionStream.partial(person, "text", { every: true }).pipe(
          Stream.runCollect,
          Effect.provide(MockLlm.layer([{ name: "Ada", age: "old" }, ada], { chunkSize: 100 }))
        )
        assert.deepStrictEqual(snapshots.map(({ value }) => value), [{ name: "Ada", age: "old" }, ada, ada] as never)
        const last = snapshots.at(-1)!
        assert.strictEqual(last._tag === "Complete" ? last.attempts : 0, 2)
      }))

    it.effect("lets a slow consumer skip, and it never misses the value", () =>
      Effect.gen(function*() {
        const fiber = yield* ExtractionStream.partial(Schema.String, "text").pipe(
          Stream.mapEffect((snapshot) => Effect.as(Effect.sleep("1 minute"), snapshot)),
          Stream.runCollect,
          Effect.provide(
            MockLlm.layer([JSON.stringify({ value: "x".repeat(100) })], { chunkSize: 1, chunkDelay: "1 second" })
          ),
          Effect.forkChild
        )
        yield* TestClock.adjust("10 minutes")
        const snapshots = yield* Fiber.join(fiber)
        assert.isBelow(snapshots.length, 6)
        assert.strictEqual(snapshots.at(-1)!._tag, "Complete")
        assert.strictEqual(snapshots.at(-1)!.value, "x".repeat(100))
      }))

    it.effect("has lists under no wrapper, and __proto__ as data", () =>
      Effect.gen(function*() {
        const [first] = yield* ExtractionStream.partial(
          Extraction.make({ schema: Schema.Array(Schema.Unknown), mode: "json" }),
          "text",
          { every: true }
        ).pipe(
          Stream.runCollect,
          Effect.provide(
            MockLlm.layer(["{\"items\":[{\"__proto__\":{\"a\":1},\"constructor\":2}]}"], { chunkSize: 1000 })
          )
        )
        const [value] = first!.value as ReadonlyArray<object>
        assert.deepStrictEqual(Object.keys(value!), ["__proto__", "constructor"])
        assert.isUndefined(({} as { a?: number }).a)
      }))

    for (
      const [name, reply, tag, options] of [
        ["a cut answer", Reply.truncated("{\"name\":\"A"), "Truncated", {}],
        ["a refusal", Reply.refusal("No."), "Refused", {}],
        ["depth", `{"name":${"[".repeat(10_000)}`, "LimitExceeded", {}],
        ["length", { name: "x".repeat(100), age: 1 }, "LimitExceeded", { maxLength: 50 }]
      ] as const
    ) {
      it.effect(`ends typed: ${name}`, () =>
        Effect.gen(function*() {
          const { error } = yield* outcome(ExtractionStream.partial(person, "text", options)).pipe(
            Effect.provide(MockLlm.layer([reply]))
          )
          assert.strictEqual(error?.reason._tag, tag)
        }))
    }

    it.live("a connection that is lost or stalls is a failure with what had arrived", () =>
      Effect.gen(function*() {
        for (
          const [fault, tag] of [
            [Fault.dropInside(ada, { afterChunks: 10 }), "Disconnected"],
            [Fault.hangInside(ada, { afterChunks: 10 }), "Stalled"]
          ] as const
        ) {
          const { error } = yield* outcome(ExtractionStream.partial(person, "text", { idleTimeout: "200 millis" }))
            .pipe(
              Effect.provide(Simulated.governed({ answer: () => fault, chunkSize: 1, chunkDelay: "1 millis" }))
            )
          assert.strictEqual(error?.reason._tag, tag)
          assert.match((error!.reason as { readonly text: string }).text, /^\{"name":"?$/)
        }
      }))
  })

  describe("laws", () => {
    it.effect.prop(
      "every value of every schema comes through, in either form and in any pieces",
      [SchemaSpec.sample, upTo(20)],
      ([{ schema, spec, value }, chunkSize]) =>
        Effect.gen(function*() {
          const codec = Schema.toCodecJson(schema)
          const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(value)))
          for (const form of [json, SchemaSpec.toStrictForm(spec, json)]) {
            const { error, seen } = yield* elements(schema, { items: [form, form] as Array<Schema.Json> }, {
              chunkSize
            })
            assert.strictEqual(error?.message, undefined)
            assert.strictEqual(seen.length, 2)
            for (const { result } of seen) {
              const back = yield* Schema.encodeUnknownEffect(codec)(Result.getOrThrow(result))
              assert.deepStrictEqual(withoutNulls(back), withoutNulls(json))
            }
          }
        }),
      { arbitrary: { runs: 100 }, timeout: 60_000 }
    )

    it.effect.prop(
      "split anywhere, a list is what JSON.parse makes of it",
      [Document],
      ([document]) =>
        Effect.sync(() => {
          const text = toText(document)
          const whole = (JSON.parse(text) as { readonly items: ReadonlyArray<unknown> }).items
          for (let at = 0; at <= text.length; at++) {
            const { problem, texts } = readPieces([text.slice(0, at), text.slice(at)])
            assert.strictEqual(problem, undefined)
            assert.deepStrictEqual(texts.map((one) => JSON.parse(one)), whole)
          }
          const { texts } = readPieces(Array.from({ length: text.length }, (_, i) => text[i]!))
          assert.deepStrictEqual(texts.map((one) => JSON.parse(one)), whole)
        }),
      { arbitrary: { runs: 100 }, timeout: 60_000 }
    )

    it.effect.prop(
      "a growing value is at every split a part of the whole, and in the end the whole",
      [Document],
      ([document]) =>
        Effect.sync(() => {
          const text = toText(document)
          const whole = JSON.parse(text)
          const growing = new GrowingJson(limits)
          for (const char of text) {
            growing.feed(char)
            assertPart(growing.value, whole)
          }
          assert.deepStrictEqual(growing.value, whole)
          for (let at = 0; at <= text.length; at += 7) {
            const halves = new GrowingJson(limits)
            halves.feed(text.slice(0, at))
            halves.feed(text.slice(at))
            assert.deepStrictEqual(halves.value, whole)
          }
        }),
      { arbitrary: { runs: 100 }, timeout: 60_000 }
    )

    it.effect.prop(
      "a corrupted list ends with a complaint, or loses nothing",
      [Document, Schema.Array(Corruption).check(Schema.isMinLength(1), Schema.isMaxLength(3)), upTo(9)],
      ([document, corruptions, chunkSize]) =>
        Effect.gen(function*() {
          const text = corruptions.reduce(corrupt, toText(document))
          const { error, seen } = yield* elements(Schema.Unknown, text, { chunkSize, mode: "json" })
          const parsed = Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))
          if (parsed !== undefined && error === undefined) assert.deepStrictEqual(values(seen), listIn(parsed))
          // No element is given twice or out of its place.
          assert.deepStrictEqual(seen.map(({ index }) => index), seen.map((_, i) => i))
          // Nothing is lost in silence: what came stood in the answer, in this order.
          let at = 0
          for (const { text: one } of seen) {
            at = text.indexOf(one, at)
            assert.notStrictEqual(at, -1)
            at += one.length
          }
          const failed = error !== undefined || seen.some(({ result }) => Result.isFailure(result))
          if (failed) return
          // Without a complaint, these are the elements of the list before it was corrupted, or of what it became.
          const before = JSON.parse(toText(document))
          const readings = [before, ...JsonText.candidates(text)].map(listIn).filter((list) => list !== undefined)
          // An element that is broken within itself is what mending makes of its own text.
          const list: ReadonlyArray<unknown> = before.items
          const mended = seen.map(({ text: one }, i) => {
            const value = values(seen)[i]
            const isAsBefore = JSON.stringify(value) === JSON.stringify(list[i])
            const meanings = Array.from(JsonText.candidates(one), (meaning) => JSON.stringify(meaning))
            return isAsBefore || meanings.includes(JSON.stringify(value)) ? value : undefined
          })
          assert.deepInclude(seen.length === list.length ? [...readings, mended] : readings, values(seen), text)
        }),
      { arbitrary: { runs: 600 }, timeout: 60_000 }
    )

    it.effect.prop(
      "a partial stream of anything ends with a value or a typed error",
      [Document, Schema.Array(Corruption).check(Schema.isMaxLength(3)), upTo(9)],
      ([document, corruptions, chunkSize]) =>
        Effect.gen(function*() {
          const text = corruptions.reduce(corrupt, toText(document))
          const extraction = Extraction.make({ schema: Schema.Unknown, mode: "json", maxAttempts: 1 })
          const { error, seen } = yield* outcome(ExtractionStream.partial(extraction, "text", { every: true })).pipe(
            Effect.provide(MockLlm.layer([text], { chunkSize }))
          )
          assert.strictEqual(error === undefined, seen.at(-1)?._tag === "Complete")
        }),
      { arbitrary: { runs: 200 }, timeout: 60_000 }
    )
  })
})

const limits = { maxLength: 1_000_000, maxDepth: 100 }

const readPieces = (pieces: ReadonlyArray<string>) => {
  const reader = new ListReader("items", limits)
  const texts: Array<string> = []
  for (const piece of pieces) reader.feed(piece, texts)
  return { texts, problem: reader.end() }
}

const values = (seen: ReadonlyArray<ExtractionStream.Element<unknown>>) =>
  seen.map(({ result }) => Result.getOrThrow(result))

const listIn = (value: unknown): ReadonlyArray<unknown> | undefined => {
  if (Array.isArray(value)) return value
  const items = typeof value === "object" && value !== null && "items" in value ? value.items : undefined
  return Array.isArray(items) ? items : undefined
}

/** Whether all there is of a growing value is in the whole one, strings perhaps unfinished. */
const assertPart = (part: unknown, whole: unknown): void => {
  if (part === undefined) return
  if (typeof part === "string") assert.isTrue(String(whole).startsWith(part))
  else if (typeof part === "object" && part !== null) {
    for (const [key, value] of Object.entries(part)) {
      assert.isTrue(Object.hasOwn(whole as object, key), JSON.stringify([part, whole]))
      assertPart(value, (whole as { readonly [key: string]: unknown })[key])
    }
  } else assert.strictEqual(part, whole)
}

/** `optional` reads null as undefined and writes undefined as null: the same value, of two keys one. */
const withoutNulls = (json: unknown): unknown =>
  Array.isArray(json)
    ? json.map(withoutNulls)
    : typeof json === "object" && json !== null
    ? Object.fromEntries(
      Object.entries(json).flatMap(([k, v]) => v === null || v === undefined ? [] : [[k, withoutNulls(v)]])
    )
    : json
