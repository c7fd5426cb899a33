import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Extraction, type LlmRequest } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { complete, format, Person, person, request } from "../../support/people.ts"
import { bare, ledger } from "../../support/simulated.ts"

describe("OpenAi requests", () => {
  it.live("use the response format or the tool of each output mode", () =>
    Effect.gen(function*() {
      for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
        yield* Extraction.extract(
          Extraction.make({ schema: Person, mode, description: "someone" }),
          "I am Ada"
        )
      }
      const bodies = (yield* ledger).entries.map(({ request }) => request.body as any)
      const schema = {
        type: "object",
        properties: { name: { type: "string" }, age: { type: "integer" } },
        required: ["name", "age"],
        additionalProperties: false
      }
      assert.deepStrictEqual(bodies[0].response_format, {
        type: "json_schema",
        json_schema: { name: "Response", description: "someone", schema, strict: true }
      })
      assert.deepStrictEqual(bodies[1].tools, [{
        type: "function",
        function: { name: "Response", description: "someone", parameters: schema, strict: true }
      }])
      assert.deepStrictEqual(bodies[1].tool_choice, { type: "function", function: { name: "Response" } })
      assert.strictEqual(bodies[1].parallel_tool_calls, false)
      assert.deepStrictEqual(bodies[2].response_format, { type: "json_object" })
      assert.strictEqual(bodies[3].response_format, undefined)
      assert.deepStrictEqual(bodies.map(({ model }) => model), Array.from({ length: 4 }, () => OpenAi.defaultModel))
    }).pipe(Effect.provide(bare({ answer: () => person }))))

  it.live("contain every parameter, and the extra ones as they are", () =>
    Effect.gen(function*() {
      yield* Extraction.extract(
        Extraction.make({
          schema: Person,
          model: "large",
          parameters: {
            maxTokens: 100,
            temperature: 0,
            topP: 0.9,
            seed: 7,
            stop: ["END"],
            frequencyPenalty: 0.1,
            presencePenalty: 0.2,
            reasoningEffort: "low",
            verbosity: "low",
            serviceTier: "flex",
            promptCacheKey: "people",
            extra: { top_k: 5 }
          }
        }),
        "I am Ada"
      )
      const { messages: _, response_format: __, ...rest } = (yield* ledger).entries[0]!.request.body
      assert.deepStrictEqual(rest, {
        model: "large",
        max_completion_tokens: 100,
        temperature: 0,
        top_p: 0.9,
        seed: 7,
        stop: ["END"],
        frequency_penalty: 0.1,
        presence_penalty: 0.2,
        reasoning_effort: "low",
        verbosity: "low",
        service_tier: "flex",
        prompt_cache_key: "people",
        top_k: 5
      })
    }).pipe(Effect.provide(bare({ answer: () => person }))))

  for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
    it.live(`start with the same text for all inputs of an extraction, so that prompt caching applies: ${mode}`, () =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Person, mode, prompt: (text: string) => text })
        yield* Effect.result(Extraction.extract(extraction, "I am Ada"))
        yield* Effect.result(Extraction.extract(extraction, "Me, I am Alan"))
        const [{ messages: first, ...one }, { messages: second, ...other }] = (yield* ledger).entries
          .map(({ request }) => request.body) as [Record<string, unknown>, Record<string, unknown>]
        assert.deepStrictEqual(JSON.stringify(one), JSON.stringify(other))
        assert.deepStrictEqual((first as Array<unknown>).slice(0, -1), (second as Array<unknown>).slice(0, -1))
        assert.deepStrictEqual((second as Array<unknown>).at(-1), { role: "user", content: "Me, I am Alan" })
      }).pipe(Effect.provide(bare({ answer: () => person }))))
  }

  it.live("contain files as image, file or audio parts", () =>
    Effect.gen(function*() {
      const bytes = new Uint8Array([1, 2, 3])
      yield* Extraction.extract(Person, [{
        role: "user",
        content: [
          { type: "text", text: "Who?" },
          { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
          { type: "file", mediaType: "application/pdf", fileName: "cv.pdf", data: bytes },
          { type: "file", mediaType: "audio/mpeg", data: bytes }
        ]
      }])
      const { messages } = (yield* ledger).entries[0]!.request.body as any
      assert.deepStrictEqual(messages[1].content, [
        { type: "text", text: "Who?" },
        { type: "image_url", image_url: { url: "https://example.com/a.png" } },
        { type: "file", file: { filename: "cv.pdf", file_data: "data:application/pdf;base64,AQID" } },
        { type: "input_audio", input_audio: { data: "AQID", format: "mp3" } }
      ])
      const error = yield* Effect.flip(Extraction.extract(Person, [{
        role: "user",
        content: [{ type: "file", mediaType: "application/pdf", data: new URL("https://example.com/a.pdf") }]
      }]))
      assert.include(error.message, "Download it")
      assert.strictEqual((yield* ledger).requests, 1)
    }).pipe(Effect.provide(bare({ answer: () => person }))))

  it("omit strict unless the output format has it, and send it as it is", () => {
    const schemaOf = (output: LlmRequest.OutputFormat): any => Result.getOrThrow(OpenAi.encode({ ...request, output }))
    const { strict: _, ...lax } = format
    assert.notProperty(schemaOf(lax).response_format.json_schema, "strict")
    assert.isFalse(schemaOf({ ...format, strict: false }).response_format.json_schema.strict)
    assert.isTrue(schemaOf({ ...format, mode: "tools" }).tools[0].function.strict)
    assert.notProperty(schemaOf({ ...lax, mode: "tools" }).tools[0].function, "strict")
  })

  it("have no response format when the output is text", () => {
    assert.deepStrictEqual(Result.getOrThrow(OpenAi.encode({ ...request, output: { mode: "text" } })), {
      model: "test-model",
      messages: [{ role: "user", content: "I am Ada" }]
    })
  })

  it("return the provider data of OpenAI with its message and tool call, and no other provider's", () => {
    const { messages } = Result.getOrThrow(OpenAi.encode({
      ...request,
      messages: [{
        role: "assistant",
        content: "",
        providerData: { openai: { audio: { id: "a" } }, anthropic: { signature: "s" } },
        toolCalls: [{ id: "1", name: "f", arguments: "{}", providerData: { openai: { extra: 1 } } }]
      }]
    }))
    assert.deepStrictEqual<unknown>(messages, [{
      role: "assistant",
      content: "",
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" }, extra: 1 }],
      audio: { id: "a" }
    }])
  })

  it.live("are encoded by encode as they are sent", () =>
    Effect.gen(function*() {
      yield* complete
      const [entry] = (yield* ledger).entries
      assert.deepStrictEqual<unknown>(Result.getOrThrow(OpenAi.encode(request)), entry!.request.body)
    }).pipe(Effect.provide(bare({ answer: () => person }))))

  it("cannot contain a PDF by its URL", () => {
    const content = [{ type: "file", mediaType: "application/pdf", url: "https://example.com/a.pdf" }] as const
    const body = OpenAi.encode({ ...request, messages: [{ role: "user", content }] })
    assert.strictEqual(Result.isFailure(body) ? body.failure._tag : "", "InvalidUserInputError")
  })
})
