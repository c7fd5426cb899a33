/** The official SDK of Google against the simulator: structured output, tools, streams and errors. */
import { assert, describe, it } from "@effect/vitest"
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai"
import { Effect } from "effect"
import { Fault, Reply } from "effect-instructor/testing"
import { GoogleSimulator } from "effect-instructor/testing/simulators"

const person = { name: "Ada", age: 36 }
const schema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } },
  required: ["name", "age"]
}
const request = { model: "gemini-3.8-flash", contents: "I am Ada" }

const withClient = <A>(use: (client: GoogleGenAI) => Promise<A>) =>
  GoogleSimulator.GoogleSimulator.use(({ baseUrl }) =>
    Effect.promise(() => use(new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl } })))
  )

const failing = (use: (client: GoogleGenAI) => Promise<unknown>) =>
  withClient((client) =>
    use(client).then(() => assert.fail("it should fail"), (error: unknown) => {
      assert.instanceOf(error, ApiError)
      return error
    })
  )

const tools = [{ functionDeclarations: [{ name: "save", parametersJsonSchema: schema }] }]
const toolConfig = {
  functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ["save"] }
}

describe("the official SDK of Google", () => {
  it.live("reads a structured answer", () =>
    Effect.gen(function*() {
      const response = yield* withClient((client) =>
        client.models.generateContent({
          ...request,
          config: { responseMimeType: "application/json", responseJsonSchema: schema }
        })
      )
      assert.deepStrictEqual(JSON.parse(response.text!), person)
      const { entries } = yield* GoogleSimulator.GoogleSimulator.use(({ ledger }) => ledger)
      assert.deepInclude(entries[0]!.request, {
        mode: "json_schema",
        model: "gemini-3.8-flash",
        text: "I am Ada",
        schema
      })
    }).pipe(Effect.provide(GoogleSimulator.layer({ answer: () => person }))))

  it.live("reads a tool call, and sends its result with the signature of the thought", () =>
    Effect.gen(function*() {
      const config = { tools, toolConfig }
      const first = yield* withClient((client) => client.models.generateContent({ ...request, config }))
      assert.deepStrictEqual(first.functionCalls?.map(({ args }) => args), [person])
      const content = first.candidates![0]!.content!
      const next = (parts: typeof content.parts) => (client: GoogleGenAI) =>
        client.models.generateContent({
          ...request,
          config: { tools },
          contents: [
            { role: "user", parts: [{ text: "I am Ada" }] },
            { role: "model", parts: parts! },
            { role: "user", parts: [{ functionResponse: { name: "save", response: { output: "saved" } } }] }
          ]
        })
      const second = yield* withClient(next(content.parts))
      assert.isString(second.text)
      const unsigned = yield* failing(next(content.parts!.map(({ functionCall }) => ({ functionCall: functionCall! }))))
      assert.include(unsigned.message, "thought_signature")
    }).pipe(Effect.provide(GoogleSimulator.layer({ answer: () => person }))))

  it.live("collects a stream, with its usage", () =>
    Effect.gen(function*() {
      const chunks = yield* withClient(async (client) => {
        const stream = await client.models.generateContentStream(request)
        const chunks = []
        for await (const chunk of stream) chunks.push(chunk)
        return chunks
      })
      assert.strictEqual(chunks.map(({ text }) => text).join(""), "hello, world")
      assert.isAbove(chunks.length, 1)
      assert.deepInclude(chunks.at(-1)!.usageMetadata, {
        promptTokenCount: 100,
        cachedContentTokenCount: 30,
        candidatesTokenCount: 15,
        thoughtsTokenCount: 5,
        totalTokenCount: 120
      })
      assert.strictEqual(chunks.at(-1)!.candidates![0]!.finishReason, "STOP")
    }).pipe(Effect.provide(GoogleSimulator.layer({
      answer: () =>
        Reply.withUsage("hello, world", {
          inputTokens: 100,
          cachedInputTokens: 30,
          outputTokens: 20,
          reasoningTokens: 5
        })
    }))))

  it.live("sees blocked prompts, filtered and truncated answers", () =>
    Effect.gen(function*() {
      const ask = withClient((client) => client.models.generateContent(request))
      const blocked = yield* ask
      assert.strictEqual(blocked.promptFeedback?.blockReason, "PROHIBITED_CONTENT")
      assert.strictEqual(blocked.promptFeedback?.blockReasonMessage, "no")
      assert.strictEqual((yield* ask).candidates![0]!.finishReason, "SAFETY")
      assert.strictEqual((yield* ask).candidates![0]!.finishReason, "MAX_TOKENS")
      const malformed = yield* withClient((client) =>
        client.models.generateContent({ ...request, config: { tools, toolConfig } })
      )
      assert.strictEqual(malformed.candidates![0]!.finishReason, "MALFORMED_FUNCTION_CALL")
    }).pipe(Effect.provide(GoogleSimulator.layer({
      answer: ({ index }) => [Reply.refusal("no"), Reply.filtered("a"), Reply.truncated("a")][index] ?? "prose"
    }))))

  it.live("sees errors as Google sends them", () =>
    Effect.gen(function*() {
      const ask = failing((client) => client.models.generateContent(request))
      const limited = yield* ask
      assert.strictEqual(limited.status, 429)
      assert.include(limited.message, "\"retryDelay\":\"2s\"")
      assert.strictEqual((yield* ask).status, 503)
      assert.include((yield* ask).message, "PerDay")
    }).pipe(Effect.provide(GoogleSimulator.layer({
      answer: ({ index }) => [Fault.rateLimited("2 seconds"), Fault.overloaded, Fault.insufficientQuota][index] ?? ""
    }))))

  it.live("refuses wrong keys, unknown models, and schemas beyond its subset", () =>
    Effect.gen(function*() {
      const keyless = yield* failing((client) => client.models.generateContent(request))
      assert.strictEqual(keyless.status, 400)
      assert.include(keyless.message, "API_KEY_INVALID")
    }).pipe(Effect.provide(GoogleSimulator.layer({ answer: () => "", apiKey: "right" }))))

  it.live("refuses what its subset of JSON Schema does not have", () =>
    Effect.gen(function*() {
      const ask = (responseJsonSchema: unknown, model = "m") =>
        failing((client) =>
          client.models.generateContent({
            model,
            contents: "hi",
            config: { responseMimeType: "application/json", responseJsonSchema }
          })
        )
      assert.include((yield* ask({ type: "string", pattern: "a" })).message, "unsupported keyword \\\"pattern\\\"")
      const cyclic = {
        $ref: "#/$defs/node",
        $defs: { node: { type: "object", properties: { next: { $ref: "#/$defs/node" } }, required: ["next"] } }
      }
      assert.include((yield* ask(cyclic)).message, "cyclic")
      assert.strictEqual((yield* ask(schema, "other")).status, 404)
    }).pipe(Effect.provide(GoogleSimulator.layer({ answer: () => "", models: ["m"] }))))
})
