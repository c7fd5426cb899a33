import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as Limiter from "../../../src/testing/simulators/internal/limiter.ts"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"

const object = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false
})

/** Speaks the protocol by hand, so that the simulator is not judged by the client it is there to test. */
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

  it.live("streams as OpenAI does, with usage when asked for it", () =>
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

  it.live("refuses what OpenAI refuses", () =>
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

  it.live("enforces its limits, tells them in headers, and writes everything down", () =>
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

  it.live("turns away what its slots and its queue have no room for", () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.all(Array.from({ length: 5 }, () => post(chat)), { concurrency: "unbounded" })
      assert.deepStrictEqual(statuses.map(({ status }) => status).toSorted((a, b) => a - b), [200, 200, 200, 503, 503])
      assert.include(statuses.find(({ status }) => status === 503)!.json.error.message, "server busy")
    }).pipe(
      Effect.provide(
        OpenAiSimulator.layer({ answer: () => "hi", latency: "300 millis", slots: { count: 2, queue: 1 } })
      )
    ))

  it.live("keeps no more of its ledger than it was told to", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 10 }), () => post(chat))
      const { entries, requests } = yield* OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)
      assert.deepStrictEqual(entries.map(({ request }) => request.index), [7, 8, 9])
      assert.strictEqual(requests, 10)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi", keep: 3 }))))

  it.live("lists its models, and knows no other address", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.OpenAiSimulator
      const get = (path: string) =>
        Effect.promise(() => fetch(`${baseUrl}${path}`).then((response): any => response.json()))
      assert.deepStrictEqual((yield* get("/models")).data.map(({ id }: { id: string }) => id), ["a", "b"])
      assert.strictEqual((yield* get("/nowhere")).error.code, "unknown_url")
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "hi", models: ["a", "b"] }))))

  it.live("stops with its layer, also when requests hang", () =>
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
})

describe("the limiter", () => {
  const make = (limits: Partial<Limiter.Limits>) =>
    Limiter.make({ requestsPerMinute: undefined, tokensPerMinute: undefined, quantised: false, ...limits })

  it("is a bucket as large as a minute's limit, refilled continuously", () => {
    const limiter = make({ tokensPerMinute: 6000 })
    assert.strictEqual(limiter.admit(6000, 0)._tag, "Granted")
    assert.deepStrictEqual(limiter.admit(500, 1000), {
      _tag: "Refused",
      kind: "tokens",
      limit: 6000,
      used: 5900,
      requested: 500,
      waitMillis: 4000
    })
    assert.strictEqual(limiter.admit(500, 4999)._tag, "Refused")
    assert.strictEqual(limiter.admit(500, 5000)._tag, "Granted")
  })

  it("debits nothing for what it refuses", () => {
    const limiter = make({ requestsPerMinute: 1, tokensPerMinute: 100 })
    assert.strictEqual(limiter.admit(50, 0)._tag, "Granted")
    for (let i = 0; i < 10; i++) assert.strictEqual(limiter.admit(10, 1)._tag, "Refused")
    assert.strictEqual(limiter.headers(1)["x-ratelimit-remaining-tokens"], "50")
  })

  it("counts requests by the second when quantised", () => {
    const limiter = make({ requestsPerMinute: 600, quantised: true })
    const granted = (at: number) =>
      Array.from({ length: 20 }, () => limiter.admit(1, at)).filter(({ _tag }) => _tag === "Granted")
    assert.strictEqual(granted(0).length, 10)
    assert.strictEqual(granted(1000).length, 10)
  })

  it("writes durations as Go does", () => {
    assert.deepStrictEqual([0, 12, 999, 1000, 1500, 60_000, 62_500].map(Limiter.goDuration), [
      "0ms",
      "12ms",
      "999ms",
      "1s",
      "1.5s",
      "1m0s",
      "1m2.5s"
    ])
  })
})

describe("the strict schema check", () => {
  it("takes what the rules allow", () => {
    for (
      const schema of [
        object({}),
        object({ a: { type: "string", pattern: "^a", format: "date" }, b: { type: ["integer", "null"], minimum: 1 } }),
        object({ a: { anyOf: [{ type: "string", enum: ["x"] }, { type: "null" }] } }),
        { ...object({ a: { type: "array", items: { $ref: "#/$defs/A" }, minItems: 1 } }), $defs: { A: object({}) } },
        object({ self: { anyOf: [{ $ref: "#" }, { type: "null" }] } })
      ]
    ) {
      assert.strictEqual(complain(schema), undefined, JSON.stringify(schema))
    }
  })

  for (
    const [name, schema, complaint] of [
      ["no object at the root", { type: "array", items: { type: "string" } }, "type: \"object\""],
      ["a union at the root", { anyOf: [object({})] }, "anyOf"],
      ["an open object", { type: "object", properties: {}, required: [] }, "additionalProperties"],
      ["a key that is not required", { ...object({ a: { type: "string" } }), required: [] }, "Missing 'a'"],
      ["a required key that is not there", { ...object({}), required: ["a"] }, "Extra required key 'a'"],
      ["a node without a type", object({ a: {} }), "must have a 'type' key"],
      ["an unknown keyword", object({ a: { type: "string", minLength: 1 } }), "'minLength' is not permitted"],
      ["allOf", object({ a: { type: "string", allOf: [] } }), "'allOf' is not permitted"],
      ["an unknown format", object({ a: { type: "string", format: "uri" } }), "not a valid format"],
      ["look-around", object({ a: { type: "string", pattern: "(?=a)" } }), "look-around"],
      ["a list of anything", object({ a: { type: "array" } }), "missing items"],
      ["a dangling reference", object({ a: { $ref: "#/$defs/No" } }), "not found"],
      ["a reference with siblings", {
        ...object({ a: { $ref: "#/$defs/A", description: "x" } }),
        $defs: { A: object({}) }
      }, "$ref cannot have keywords"],
      ["an open definition", { ...object({}), $defs: { A: { type: "object" } } }, "('$defs', 'A')"],
      [
        "a nested open object",
        object({ a: object({ b: { type: "object", properties: {} } }) }),
        "('properties', 'a', 'properties', 'b')"
      ]
    ] as const
  ) {
    it(`refuses ${name}`, () => {
      assert.include(complain(schema) ?? "nothing", complaint)
    })
  }
})
