import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const object = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false
})

/** Speaks the protocol by hand, so that the simulator is not tested with the client that it tests. */
const post = (body: unknown, headers?: Record<string, string>) =>
  OpenAiSimulator.OpenAiSimulator.use(({ baseUrl }) =>
    Effect.promise(async () => {
      const response = await fetch(`${baseUrl}/chat/completions`, {
        method: "POST",
        ...(headers && { headers }),
        body: typeof body === "string" ? body : JSON.stringify(body)
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: parse(text) }
    })
  )

const parse = (text: string): any => text.startsWith("{") ? JSON.parse(text) : undefined

const chat = { model: "m", messages: [{ role: "user", content: "hello json" }] }

describe("OpenAiSimulator", () => {
  it.live("answers as OpenAI does", () =>
    Effect.gen(function*() {
      const { headers, json, status } = yield* post(chat)
      assert.strictEqual(status, 200)
      assert.strictEqual(json.object, "chat.completion")
      assert.deepStrictEqual(json.choices, [{
        index: 0,
        message: { role: "assistant", content: "hi", refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: "stop"
      }])
      assert.strictEqual(json.usage.total_tokens, json.usage.prompt_tokens + json.usage.completion_tokens)
      assert.isNotNull(headers.get("x-request-id"))
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi" }))))

  it.live("streams as OpenAI does, with usage if the request asks for it", () =>
    Effect.gen(function*() {
      const { headers, text } = yield* post({ ...chat, stream: true, stream_options: { include_usage: true } })
      assert.include(headers.get("content-type") ?? "", "text/event-stream")
      const events = text.trim().split("\n\n").map((event) => event.replace(/^data: /, ""))
      assert.strictEqual(events.at(-1), "[DONE]")
      const chunks = events.slice(0, -1).map((event) => JSON.parse(event))
      assert.strictEqual(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "hello, world")
      assert.deepStrictEqual(chunks.at(-1).choices, [])
      assert.isAbove(chunks.at(-1).usage.completion_tokens, 0)
      assert.isNull(chunks[0].usage)
      assert.strictEqual(chunks.at(-2).choices[0].finish_reason, "stop")
      const bare = yield* post({ ...chat, stream: true })
      assert.notInclude(bare.text, "usage")
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hello, world", chunkSize: 5 }))))

  it.live("refuses the requests that OpenAI refuses", () =>
    Effect.gen(function*() {
      const refused = (body: unknown, headers?: Record<string, string>) =>
        Effect.map(post(body, { authorization: "Bearer right", ...headers }), ({ json, status }) => [
          status,
          json.error.code ?? json.error.message
        ])
      assert.deepStrictEqual(yield* refused("{"), [400, "We could not parse the JSON body of your request."])
      assert.deepStrictEqual(yield* refused({}), [400, "you must provide a model parameter"])
      assert.deepStrictEqual(yield* refused({ model: "m" }), [400, "Missing required parameter: 'messages'."])
      assert.deepStrictEqual(yield* refused(chat, { authorization: "Bearer wrong-key" }), [401, "invalid_api_key"])
      assert.deepStrictEqual(yield* refused({ ...chat, model: "other" }), [404, "model_not_found"])
      const noJson = {
        ...chat,
        messages: [{ role: "user", content: "hello" }],
        response_format: { type: "json_object" }
      }
      assert.include((yield* refused(noJson))[1], "must contain the word 'json'")
      const format = (json_schema: unknown) => ({ ...chat, response_format: { type: "json_schema", json_schema } })
      assert.include(
        (yield* refused(format({ name: "two words", strict: true, schema: object({}) })))[1],
        "does not match pattern"
      )
      assert.include(
        (yield* refused(format({ name: "X", strict: true, schema: { type: "object", properties: {} } })))[1],
        "Invalid schema for response_format 'X': In context=(), 'additionalProperties' is required"
      )
      const lax = yield* post(format({ name: "X", strict: false, schema: {} }), { authorization: "Bearer right" })
      assert.strictEqual(lax.status, 200)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi", apiKey: "right", models: ["m"] }))))

  it.live("enforces rate limits, reports them in headers, and records all requests", () =>
    Effect.gen(function*() {
      const { ledger, setLimits } = yield* OpenAiSimulator.OpenAiSimulator
      const statuses = yield* Effect.forEach([1, 2, 3], () => post(chat))
      assert.deepStrictEqual(statuses.map(({ status }) => status), [200, 200, 429])
      const [first, , third] = statuses
      assert.strictEqual(first!.headers.get("x-ratelimit-limit-requests"), "2")
      assert.strictEqual(first!.headers.get("x-ratelimit-remaining-requests"), "1")
      assert.match(
        third!.json.error.message,
        /Rate limit reached for m .* on requests per min \(RPM\): Limit 2, Used 2, Requested 1\. Please try again in \d/
      )
      assert.strictEqual(third!.json.error.code, "rate_limit_exceeded")
      assert.isAbove(Number(third!.headers.get("retry-after-ms")), 20_000)
      yield* setLimits({ tokensPerMinute: 10, headers: false })
      const large = yield* post({ ...chat, max_completion_tokens: 100 })
      assert.strictEqual(large.status, 429)
      assert.include(large.json.error.message, "Request too large")
      assert.isNull(large.headers.get("x-ratelimit-limit-tokens"))
      const { entries, granted, refused, requests } = yield* ledger
      assert.deepStrictEqual({ granted, refused, requests }, { granted: 2, refused: 2, requests: 4 })
      assert.deepStrictEqual(entries.map(({ outcome }) => outcome), [200, 200, 429, 429])
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi", limits: { requestsPerMinute: 2 } }))))

  it.live("answers with a 503 when its slots and its queue are full", () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.all(Array.from({ length: 5 }, () => post(chat)), { concurrency: "unbounded" })
      assert.deepStrictEqual(statuses.map(({ status }) => status).toSorted((a, b) => a - b), [200, 200, 200, 503, 503])
      assert.include(statuses.find(({ status }) => status === 503)!.json.error.message, "server busy")
    }).pipe(
      Effect.provide(
        OpenAiSimulator.layer({ answer: () => "hi", latency: "300 millis", slots: { count: 2, queue: 1 } })
      )
    ))

  it.live("keeps as many ledger entries as the option says", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 10 }), () => post(chat))
      const { entries, requests } = yield* OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)
      assert.deepStrictEqual(entries.map(({ request }) => request.index), [7, 8, 9])
      assert.strictEqual(requests, 10)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi", keep: 3 }))))

  it.live("lists its models, retrieves one, and answers other paths with a 404", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.OpenAiSimulator
      const get = (path: string) =>
        Effect.promise(async () => {
          const response = await fetch(`${baseUrl}${path}`, { headers: { authorization: "Bearer right" } })
          const body: any = await response.json()
          return { status: response.status, ...body }
        })
      assert.deepStrictEqual((yield* get("/models")).data.map(({ id }: { id: string }) => id), ["a", "org/b"])
      assert.deepStrictEqual(yield* get("/models/org%2Fb"), {
        status: 200,
        id: "org/b",
        object: "model",
        created: 0,
        owned_by: "simulator"
      })
      const missing = yield* get("/models/c")
      assert.deepStrictEqual([missing.status, missing.error.code], [404, "model_not_found"])
      const nowhere = yield* get("/nowhere")
      assert.deepStrictEqual([nowhere.status, nowhere.error.code], [404, "unknown_url"])
      const refused = yield* Effect.promise(() => fetch(`${baseUrl}/models`))
      assert.strictEqual(refused.status, 401)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi", models: ["a", "org/b"], apiKey: "right" }))))

  it.live("cuts an answer at max_completion_tokens, with finish_reason length", () =>
    Effect.gen(function*() {
      const cut = yield* post({ ...chat, max_completion_tokens: 2 })
      assert.deepStrictEqual(cut.json.choices[0].message.content, "01234567")
      assert.strictEqual(cut.json.choices[0].finish_reason, "length")
      assert.strictEqual(cut.json.usage.completion_tokens, 2)
      const older = yield* post({ ...chat, max_tokens: 1 })
      assert.deepStrictEqual(older.json.choices[0].message.content, "0123")
      const fits = yield* post({ ...chat, max_completion_tokens: 3 })
      assert.strictEqual(fits.json.choices[0].finish_reason, "stop")
      const none = yield* post({ ...chat, max_completion_tokens: 0 })
      assert.deepStrictEqual([none.status, none.json.error.param], [400, "max_completion_tokens"])
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "0123456789" }))))

  it.live("cuts an answer at the first stop sequence", () =>
    Effect.gen(function*() {
      for (const [stop, expected] of [["3", "012"], [["7", "45"], "0123"], ["x", "0123456789"]] as const) {
        const { json } = yield* post({ ...chat, stop })
        assert.strictEqual(json.choices[0].message.content, expected)
        assert.strictEqual(json.choices[0].finish_reason, "stop")
      }
      assert.strictEqual((yield* post({ ...chat, stop: ["1", "2", "3", "4", "5"] })).status, 400)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "0123456789" }))))

  it.live("gives n choices, in a stream too", () =>
    Effect.gen(function*() {
      const { json } = yield* post({ ...chat, n: 3 })
      assert.deepStrictEqual(json.choices.map((choice: any) => [choice.index, choice.message.content]), [
        [0, "hello"],
        [1, "hello"],
        [2, "hello"]
      ])
      assert.strictEqual(json.usage.completion_tokens, 6)
      const { text } = yield* post({ ...chat, n: 2, stream: true })
      const contents = ["", ""]
      for (const line of text.trim().split("\n\n").slice(0, -1)) {
        const { delta, index } = JSON.parse(line.slice(6)).choices[0]
        contents[index] += delta.content ?? ""
      }
      assert.deepStrictEqual(contents, ["hello", "hello"])
      for (const n of [0, 129, 1.5, "2"]) assert.strictEqual((yield* post({ ...chat, n })).status, 400)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hello" }))))

  it.live("calls the tool that tool_choice names, and answers in text after the result of a tool", () =>
    Effect.gen(function*() {
      const tool = (name: string) => ({ type: "function", function: { name, parameters: object({}), strict: true } })
      const tools = [tool("first"), tool("second")]
      const called = (body: object) =>
        Effect.map(post({ ...chat, tools, ...body }), ({ json, status }) => {
          if (status !== 200) return status
          const [{ finish_reason, message }] = json.choices
          return [finish_reason, message.tool_calls?.[0].function.name ?? message.content]
        })
      const named = (name: string) => ({ tool_choice: { type: "function", function: { name } } })
      assert.deepStrictEqual(yield* called({}), ["tool_calls", "first"])
      assert.deepStrictEqual(yield* called(named("second")), ["tool_calls", "second"])
      assert.strictEqual(yield* called(named("third")), 400)
      assert.deepStrictEqual(yield* called({ tool_choice: "none" }), ["stop", "{}"])
      const messages = [...chat.messages, { role: "assistant", content: null }, { role: "tool", content: "done" }]
      assert.deepStrictEqual(yield* called({ messages }), ["stop", "{}"])
      assert.deepStrictEqual(yield* called({ messages, tool_choice: "required" }), ["tool_calls", "first"])
      assert.deepStrictEqual(yield* called({ messages, ...named("second") }), ["tool_calls", "second"])
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "{}" }))))

  it.live("passes the schema of the response format or of the chosen tool to its answer", () =>
    Effect.gen(function*() {
      const tools = ["a", "b"].map((name) => ({
        type: "function",
        function: { name, parameters: object({ [name]: { type: "string" } }) }
      }))
      const schema = object({ c: { type: "string" } })
      yield* post({ ...chat, response_format: { type: "json_schema", json_schema: { name: "c", schema } } })
      yield* post({ ...chat, tools, tool_choice: { type: "function", function: { name: "b" } } })
      yield* post({ ...chat, tools, tool_choice: "none" })
      const { entries } = yield* OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)
      assert.deepStrictEqual<ReadonlyArray<unknown>>(entries.map(({ request }) => request.schema), [
        schema,
        tools[1]!.function.parameters,
        undefined
      ])
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "{}" }))))

  it.live("records a request whose client disconnects as aborted", () =>
    Effect.gen(function*() {
      const { baseUrl, ledger } = yield* OpenAiSimulator.OpenAiSimulator
      const controller = new AbortController()
      const sent = fetch(`${baseUrl}/chat/completions`, {
        method: "POST",
        body: JSON.stringify(chat),
        signal: controller.signal
      })
      yield* Effect.repeat(ledger, { until: ({ inFlight }) => inFlight === 1 })
      controller.abort()
      yield* Effect.flip(Effect.tryPromise(() => sent))
      yield* Effect.repeat(ledger, { until: ({ inFlight }) => inFlight === 0 })
      const { aborted, entries } = yield* ledger
      assert.deepStrictEqual([aborted, entries.map(({ outcome }) => outcome)], [1, ["aborted"]])
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "late", latency: "1 minute" }))))

  it.live("delivers the pieces before a dropped connection", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.OpenAiSimulator
      const received = yield* Effect.promise(async () => {
        const response = await fetch(`${baseUrl}/chat/completions`, {
          method: "POST",
          body: JSON.stringify({ ...chat, stream: true })
        })
        let text = ""
        try {
          for await (const bytes of response.body!) text += new TextDecoder().decode(bytes)
        } catch {
          return text
        }
        throw new Error("the connection was not dropped")
      })
      assert.strictEqual(received.split("\n\n").length - 1, 3)
    }).pipe(
      Effect.provide(OpenAiSimulator.layer({ answer: () => Fault.dropInside("x".repeat(99), { afterChunks: 3 }) }))
    ))

  it.live("stops with its scope even while requests hang", () =>
    Effect.gen(function*() {
      const url = yield* Effect.gen(function*() {
        const { baseUrl } = yield* OpenAiSimulator.make({ answer: () => Fault.hang })
        yield* Effect.forkChild(Effect.ignore(Effect.tryPromise(() =>
          fetch(`${baseUrl}/chat/completions`, { method: "POST", body: JSON.stringify(chat) })
        )))
        yield* Effect.sleep("20 millis")
        return baseUrl
      }).pipe(Effect.scoped)
      yield* Effect.flip(Effect.tryPromise(() =>
        fetch(url)
      ))
    }))

  it.live("layerLlm connects an Llm with its API key and its first model", () =>
    Effect.gen(function*() {
      const value = yield* Extraction.extract(Schema.Struct({ city: Schema.String }), "I live in Paris")
      assert.deepStrictEqual(value, { city: "Paris" })
      const { entries } = yield* OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)
      assert.strictEqual(entries[0]!.request.model, "a")
    }).pipe(
      Effect.provide(
        OpenAiSimulator.layerLlm({ answer: () => ({ city: "Paris" }), apiKey: "right", models: ["a", "b"] })
      )
    ))
})
