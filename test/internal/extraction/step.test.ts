import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, SchemaTransformation } from "effect"
import { Extraction, type ExtractionError, type LlmRequest } from "effect-instructor"
import * as Compiled from "../../../src/extraction/Compiled.ts"
import * as Step from "../../../src/extraction/internal/step.ts"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import { completion } from "../../support/completions.ts"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const modes = ["json_schema", "tools", "json", "markdown"] as const

const compile = (mode: LlmRequest.OutputMode, options?: Extraction.Overrides) => {
  const compiled = Result.getOrThrow(Compiled.make(Extraction.make({ schema: Person, mode, ...options }), openAi))
  return { compiled, first: Result.getOrThrow(Compiled.toRequest(compiled, "I am Ada", "small")) }
}

/** An answer in the form that a mode asks for. */
const answer = (mode: LlmRequest.OutputMode, text: string, options?: Parameters<typeof completion>[0]) =>
  mode === "tools"
    ? completion({
      toolCalls: [{ id: "1", name: "Response", arguments: text }],
      finishReason: "tool-calls",
      ...options
    })
    : completion({ text, ...options })

const issues = (step: Step.Step<unknown>): ReadonlyArray<ExtractionError.AnswerIssue> =>
  step._tag === "Reask" ? step.before.invalid[step.before.invalid.length - 1]!.issues : []

describe("step", () => {
  for (const mode of modes) {
    describe(`in mode ${mode}`, () => {
      const { compiled, first } = compile(mode)
      const next = (text: string, invalid: Step.InvalidAttempts = []) =>
        Step.make(compiled, first, answer(mode, text), { invalid })

      it.effect("is Valid with the value and the JSON it was decoded from", () =>
        Effect.gen(function*() {
          const ada = { name: "Ada", age: 36 }
          for (const text of [JSON.stringify(ada), `Sure:\n\`\`\`json\n${JSON.stringify(ada)}\n\`\`\``]) {
            assert.deepStrictEqual(yield* next(text), {
              _tag: "Valid",
              completion: answer(mode, text),
              value: ada,
              answer: ada,
              coercions: []
            })
          }
        }))

      it.effect("is Reask with the answer and its issues added to the first request", () =>
        Effect.gen(function*() {
          const step = yield* next("{\"name\":1,\"age\":\"x\"}")
          assert.strictEqual(step._tag, "Reask")
          if (step._tag !== "Reask") return
          assert.deepStrictEqual(step.before.invalid.map(({ text }) => text), ["{\"name\":1,\"age\":\"x\"}"])
          assert.deepStrictEqual(issues(step).map(({ path }) => path), [["name"], ["age"]])
          const { messages, ...rest } = step.request
          assert.deepStrictEqual(rest, { model: first.model, output: first.output, parameters: first.parameters })
          assert.deepStrictEqual(messages.slice(0, first.messages.length), first.messages)
          const [assistant, complaint] = messages.slice(first.messages.length)
          assert.strictEqual(assistant!.role, "assistant")
          assert.strictEqual(complaint!.role, mode === "tools" ? "tool" : "user")
          assert.include(complaint!.content, "- name: Expected string")
          assert.include(complaint!.content, "- age: Expected number")
        }))

      it.effect("does not let the request grow over several reasks, while the attempts add up", () =>
        Effect.gen(function*() {
          const { compiled, first } = compile(mode, { maxAttempts: 10 })
          let invalid: Step.InvalidAttempts = []
          const sizes: Array<number> = []
          for (let attempt = 1; attempt < 10; attempt++) {
            const step = yield* Step.make(compiled, first, answer(mode, "{\"name\":1,\"age\":2}"), { invalid })
            if (step._tag !== "Reask") return assert.fail(step._tag)
            invalid = step.before.invalid
            sizes.push(JSON.stringify(step.request).length)
            assert.strictEqual(invalid.length, attempt)
          }
          assert.strictEqual(new Set(sizes).size, 1)
        }))

      it.effect("is Failed with every invalid answer when the attempts are used up", () =>
        Effect.gen(function*() {
          let invalid: Step.InvalidAttempts = []
          for (const text of ["{}", "no JSON"]) {
            const step = yield* next(text, invalid)
            if (step._tag !== "Reask") return assert.fail(step._tag)
            invalid = step.before.invalid
          }
          const step = yield* next("", invalid)
          if (step._tag !== "Failed" || step.reason._tag !== "InvalidOutput") return assert.fail(step._tag)
          assert.deepStrictEqual(step.reason.attempts.map(({ text }) => text), ["{}", "no JSON", ""])
          assert.deepStrictEqual(step.reason.attempts.map(({ issues }) => issues[0]!.message), [
            "Missing key",
            "The answer contains no JSON value",
            "The answer is empty"
          ])
        }))

      it.effect("is Failed at once for a refused, filtered or truncated answer", () =>
        Effect.gen(function*() {
          const { compiled, first } = compile(mode, { parameters: { maxTokens: 5 } })
          const reason = (options: Parameters<typeof completion>[0]) =>
            Effect.map(
              Step.make(compiled, first, answer(mode, "{\"name\":", options), { invalid: [] }),
              (step) => step._tag === "Failed" ? { ...step.reason } : step._tag
            )
          assert.include(yield* reason({ refusal: "I would rather not." }), {
            _tag: "Refused",
            refusal: "I would rather not."
          })
          assert.include(yield* reason({ finishReason: "content-filter" }), {
            _tag: "ContentFiltered",
            text: "{\"name\":"
          })
          assert.include(yield* reason({ finishReason: "length" }), {
            _tag: "Truncated",
            text: "{\"name\":",
            maxTokens: 5
          })
        }))

      it.effect("is Valid for a truncated answer that is whole, and never repairs one", () =>
        Effect.gen(function*() {
          const truncated = (text: string) =>
            Step.make(compiled, first, answer(mode, text, { finishReason: "length" }), { invalid: [] })
          assert.strictEqual((yield* truncated("{\"name\":\"Ada\",\"age\":36}"))._tag, "Valid")
          assert.strictEqual((yield* truncated("{name:\"Ada\",\"age\":36}"))._tag, "Failed")
          assert.strictEqual((yield* truncated("{\"name\":\"Ada\",\"age\":3.6}"))._tag, "Failed")
        }))

      it.effect("sends opaque data of the provider back in a reask", () =>
        Effect.gen(function*() {
          const text = "{\"name\":1}"
          const signed = mode === "tools"
            ? completion({
              providerData: { thought: "abc" },
              toolCalls: [{ id: "1", name: "Response", arguments: text, providerData: { signature: "xyz" } }]
            })
            : completion({ text, providerData: { thought: "abc" } })
          const step = yield* Step.make(compiled, first, signed, { invalid: [] })
          if (step._tag !== "Reask") return assert.fail(step._tag)
          const assistant = step.request.messages[first.messages.length]!
          assert.deepStrictEqual(
            assistant,
            mode === "tools"
              ? { role: "assistant", content: "", providerData: { thought: "abc" }, toolCalls: signed.toolCalls }
              : { role: "assistant", content: text, providerData: { thought: "abc" } }
          )
        }))
    })
  }

  it.effect("reports the issues of the likeliest JSON when none decodes", () =>
    Effect.gen(function*() {
      const { compiled, first } = compile("json_schema")
      const text = "As in {\"see\": \"schema\"}: {\"name\": \"Ada\", \"age\": null}"
      const step = yield* Step.make(compiled, first, answer("json_schema", text), { invalid: [] })
      assert.deepStrictEqual(issues(step), [{ path: ["age"], message: "Expected number" }])
    }))

  it.effect("runs the effects of decoding", () =>
    Effect.gen(function*() {
      const Checked = Schema.String.pipe(
        Schema.decodeTo(
          Schema.String,
          SchemaTransformation.transformEffect({
            decode: (text) => Effect.as(Effect.yieldNow, text.toUpperCase()),
            encode: (text) => Effect.succeed(text)
          })
        )
      )
      const compiled = Result.getOrThrow(
        Compiled.make(Extraction.make({ schema: Schema.Struct({ name: Checked }) }), openAi)
      )
      const first = Result.getOrThrow(Compiled.toRequest(compiled, "x", "small"))
      const step = yield* Step.make(compiled, first, completion({ text: "{\"name\":\"ada\"}" }), { invalid: [] })
      assert.deepStrictEqual(step, {
        _tag: "Valid",
        completion: completion({ text: "{\"name\":\"ada\"}" }),
        value: { name: "ADA" },
        answer: { name: "ada" },
        coercions: []
      })
    }))
})
