/** The official SDK of Anthropic against the simulator: structured output, tools, streams and errors. */
import { Anthropic, APIError } from "@anthropic-ai/sdk"
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fault, Reply } from "effect-instructor/testing"
import { AnthropicSimulator } from "effect-instructor/testing/simulators"
import { z } from "zod"

const Person = z.object({ name: z.string(), age: z.number().int(), email: z.string().nullable() })
const person = { name: "Ada", age: 36, email: null }

const messages = [{ role: "user" as const, content: "I am Ada" }]
const request = { model: "claude-haiku-5-5", max_tokens: 1000, messages }

const withClient = <A>(use: (client: Anthropic) => Promise<A>) =>
  AnthropicSimulator.AnthropicSimulator.use(({ baseUrl }) =>
    Effect.promise(() => use(new Anthropic({ apiKey: "any", baseURL: baseUrl, maxRetries: 0 })))
  )

const failing = (use: (client: Anthropic) => Promise<unknown>) =>
  withClient((client) =>
    use(client).then(() => assert.fail("it should fail"), (error: unknown) => {
      assert.instanceOf(error, APIError)
      return error
    })
  )

const tool = {
  name: "save",
  input_schema: { type: "object" as const, properties: { name: { type: "string" } } }
}

describe("the official SDK of Anthropic", () => {
  it.live("parses a structured answer with a Zod schema", () =>
    Effect.gen(function*() {
      const message = yield* withClient((client) =>
        client.messages.parse({ ...request, output_config: { format: zodOutputFormat(Person) } })
      )
      assert.deepStrictEqual(message.parsed_output, person)
      assert.strictEqual(message.stop_reason, "end_turn")
      const { entries } = yield* AnthropicSimulator.AnthropicSimulator.use(({ ledger }) => ledger)
      assert.strictEqual(entries[0]!.request.mode, "json_schema")
      assert.strictEqual(entries[0]!.request.text, "I am Ada")
    }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => person }))))

  it.live("reads a tool call, and sends its result", () =>
    Effect.gen(function*() {
      const first = yield* withClient((client) => client.messages.create({ ...request, tools: [tool] }))
      const call = first.content.find((block) => block.type === "tool_use")!
      assert.deepStrictEqual(call.input, person)
      const second = yield* withClient((client) =>
        client.messages.create({
          ...request,
          tools: [tool],
          messages: [
            ...messages,
            { role: "assistant", content: first.content },
            { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "saved" }] }
          ]
        })
      )
      assert.deepStrictEqual(second.content.map(({ type }) => type), ["text"])
    }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => person }))))

  it.live("collects a streamed message, with its usage", () =>
    Effect.gen(function*() {
      const pieces: Array<string> = []
      const message = yield* withClient((client) =>
        client.messages.stream(request).on("text", (piece) => pieces.push(piece)).finalMessage()
      )
      assert.strictEqual(pieces.join(""), "hello, world")
      assert.isAbove(pieces.length, 1)
      assert.deepStrictEqual(message.content.map((block) => block.type === "text" && block.text), ["hello, world"])
      assert.strictEqual(message.usage.input_tokens, 70)
      assert.strictEqual(message.usage.cache_read_input_tokens, 30)
      assert.strictEqual(message.usage.output_tokens, 20)
    }).pipe(Effect.provide(AnthropicSimulator.layer({
      answer: () => Reply.withUsage("hello, world", { inputTokens: 100, cachedInputTokens: 30, outputTokens: 20 })
    }))))

  it.live("collects streamed tool input and thinking", () =>
    Effect.gen(function*() {
      const message = yield* withClient((client) =>
        client.messages.stream({ ...request, tools: [tool], thinking: { type: "adaptive" } }).finalMessage()
      )
      assert.deepStrictEqual(message.content.map(({ type }) => type), ["thinking", "tool_use"])
      assert.strictEqual(message.stop_reason, "tool_use")
      assert.deepInclude(message.content[0], { signature: "sig_msg_0" })
      assert.deepInclude(message.content[1], { input: person })
    }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => person }))))

  it.live("sees refusals, truncated answers and the details of a stop", () =>
    Effect.gen(function*() {
      const refused = yield* withClient((client) => client.messages.create(request))
      assert.strictEqual(refused.stop_reason, "refusal")
      assert.strictEqual(refused.stop_details?.explanation, "I would rather not")
      const cut = yield* withClient((client) => client.messages.create({ ...request, max_tokens: 1 }))
      assert.strictEqual(cut.stop_reason, "max_tokens")
    }).pipe(Effect.provide(AnthropicSimulator.layer({
      answer: ({ index }) => index === 0 ? Reply.refusal("I would rather not") : "a long answer"
    }))))

  it.live("sees errors as Anthropic sends them", () =>
    Effect.gen(function*() {
      const limited = yield* failing((client) => client.messages.create(request))
      assert.strictEqual(limited.status, 429)
      assert.strictEqual(limited.type, "rate_limit_error")
      assert.strictEqual(limited.headers?.get("retry-after"), "2")
      const overloaded = yield* failing((client) => client.messages.create(request))
      assert.strictEqual(overloaded.status, 529)
      const spent = yield* failing((client) => client.messages.create(request))
      assert.include(JSON.stringify(spent.error), "enforced_spend_limit_reached")
      const wrong = yield* failing((client) => client.messages.create({ ...request, messages: [] }))
      assert.strictEqual(wrong.type, "invalid_request_error")
    }).pipe(Effect.provide(AnthropicSimulator.layer({
      answer: ({ index }) => [Fault.rateLimited("2 seconds"), Fault.overloaded, Fault.insufficientQuota][index] ?? ""
    }))))

  it.live("is limited by requests and tokens, with headers", () =>
    Effect.gen(function*() {
      const { response } = yield* withClient((client) => client.messages.create(request).withResponse())
      assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-limit"), "1")
      assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-remaining"), "0")
      assert.isFalse(Number.isNaN(Date.parse(response.headers.get("anthropic-ratelimit-requests-reset")!)))
      const limited = yield* failing((client) => client.messages.create(request))
      assert.strictEqual(limited.status, 429)
    }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => "hi", limits: { requestsPerMinute: 1 } }))))

  it.live("lists models, and knows its key", () =>
    Effect.gen(function*() {
      const models = yield* withClient((client) => client.models.list())
      assert.deepStrictEqual(models.data.map(({ id }) => id), ["claude-a"])
      const unknown = yield* failing((client) => client.models.retrieve("claude-b"))
      assert.strictEqual(unknown.status, 404)
    }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => "", models: ["claude-a"], apiKey: "any" }))))

  it.live("refuses schemas and requests beyond the limits", () =>
    Effect.gen(function*() {
      const format = (schema: Record<string, unknown>) =>
        failing((client) =>
          client.messages.create({ ...request, output_config: { format: { type: "json_schema", schema } } })
        )
      const object = (value: unknown, count: number, required: boolean) => {
        const names = Array.from({ length: count }, (_, i) => `p${i}`)
        return {
          type: "object",
          properties: Object.fromEntries(names.map((name) => [name, value])),
          required: required ? names : [],
          additionalProperties: false
        }
      }
      assert.include(
        (yield* format(object({ type: "string" }, 25, false))).message,
        "too many optional parameters (25)"
      )
      assert.include(
        (yield* format(object({ type: ["string", "null"] }, 17, true))).message,
        "too many parameters with union types (17"
      )
      assert.include(
        (yield* format(object({ type: "integer", minimum: 0 }, 1, true))).message,
        "'minimum' is not supported"
      )
      assert.include(
        (yield* format({ type: "object" })).message,
        "'additionalProperties' must be explicitly set to false"
      )
      const forced = yield* failing((client) =>
        client.messages.create({
          ...request,
          tools: [tool],
          tool_choice: { type: "tool", name: "save" },
          thinking: { type: "adaptive" }
        })
      )
      assert.include(forced.message, "Thinking may not be enabled")
    }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => "" }))))
})
