import { Anthropic as Sdk } from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, Schema, Stream } from "effect"
import { Batch, Extraction, LlmBatch } from "effect-instructor"
import { Anthropic } from "effect-instructor/anthropic"
import { AnthropicSimulator } from "effect-instructor/testing/simulators"
import { vi } from "vitest"
import { echo, poll, texts } from "../batches/suite.ts"

vi.setConfig({ testTimeout: 60_000 })

const simulate = (options?: Partial<AnthropicSimulator.Options>) =>
  AnthropicSimulator.layerLlm({
    answer: ({ text }) => ({ text }),
    ...options,
    connect: (baseUrl) => Layer.merge(Anthropic.layerBatch({ baseUrl }), Anthropic.layer({ baseUrl }))
  })

const model = Anthropic.defaultModel

const submission = (service: LlmBatch.LlmBatch["Service"], name: string, count: number) => {
  const text = Array.from({ length: count }, (_, i) => {
    const line = service.encode(`${name}-${i}`, {
      model,
      messages: [{ role: "user", content: `text ${i}` }],
      output: { mode: "text" },
      parameters: { maxTokens: 10 }
    })
    return `${Result.getOrThrow(line)}\n`
  }).join("")
  const bytes = new TextEncoder().encode(text)
  return { name, model, requests: count, bytes: bytes.length, lines: Stream.succeed(bytes) }
}

const sought = (name: string, requests: number, since: number, others: ReadonlyArray<string> = []) => ({
  name,
  model,
  requests,
  since,
  others: new Set(others)
})

const withSdk = <A>(use: (client: Sdk) => Promise<A>) =>
  AnthropicSimulator.AnthropicSimulator.use(({ baseUrl }) =>
    Effect.promise(() => use(new Sdk({ apiKey: "any", baseURL: baseUrl, maxRetries: 0 })))
  )

describe("Anthropic.layerBatch", () => {
  it.live("finds a batch again by its results, among others of the same size", () =>
    Effect.gen(function*() {
      const service = yield* LlmBatch.LlmBatch
      yield* service.submit(submission(service, "first", 2))
      const second = yield* service.submit(submission(service, "second", 2))
      yield* service.submit(submission(service, "third", 3))
      const found = yield* service.find(sought("second", 2, Date.now()))
      assert.deepStrictEqual(Option.getOrThrow(found), second)
      assert.isTrue(Option.isNone(yield* service.find(sought("fourth", 2, Date.now()))))
    }).pipe(Effect.provide(simulate({ batches: { duration: "500 millis" } }))))

  it.live("does not wait for batches that are known to be others, or that are older", () =>
    Effect.gen(function*() {
      const service = yield* LlmBatch.LlmBatch
      const { id } = yield* service.submit(submission(service, "first", 2))
      assert.isTrue(Option.isNone(yield* service.find(sought("second", 2, Date.now(), [id]))))
      assert.isTrue(Option.isNone(yield* service.find(sought("second", 2, Date.now() + 7_200_000))))
      assert.isTrue(Option.isNone(yield* service.find(sought("second", 3, Date.now()))))
    }).pipe(Effect.provide(simulate({ batches: { duration: "1 hour" } }))))

  it.live("a batch that finds no room in the queue is no failure of the run", () =>
    Effect.gen(function*() {
      const service = yield* LlmBatch.LlmBatch
      const error = yield* Effect.flip(service.submit(submission(service, "first", 2)))
      assert.isTrue(error.isRetryable)
      assert.strictEqual(error.code, "token_limit_exceeded")
    }).pipe(Effect.provide(simulate({ batches: { enqueuedTokens: 10 } }))))

  it.live("reads answers in tools, and those of a schema that goes out as a tool", () =>
    Effect.gen(function*() {
      // More optional fields than structured output allows.
      const fields = Array.from({ length: 30 }, (_, i) => [`field${i}`, Schema.optionalKey(Schema.String)] as const)
      const large = Schema.Struct({ text: Schema.String, ...Object.fromEntries(fields) })
      for (
        const extraction of [
          Extraction.make({ schema: Schema.Struct({ text: Schema.String }), mode: "tools" }),
          Extraction.make({ schema: large })
        ]
      ) {
        const [offline] = yield* Stream.runCollect(Batch.offline(extraction, ["text 0"], { poll }))
        const [online] = yield* Stream.runCollect(Batch.stream(extraction, ["text 0"]))
        assert.deepStrictEqual(Result.getOrThrow(offline!.result), Result.getOrThrow(online!.result))
        assert.strictEqual(offline!.attempts, 1)
      }
    }).pipe(Effect.provide(simulate())))

  it.live("sends the lines as one request, as large as it says", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(Batch.offline(echo, texts(2000), { poll, maxRequests: 900 }))
      assert.isTrue(items.every(({ input, result }) => Result.isSuccess(result) && result.success.text === input))
    }).pipe(Effect.provide(simulate())))

  it.live("the official SDK drives the simulator", () =>
    Effect.gen(function*() {
      const request = (custom_id: string, max_tokens = 100) => ({
        custom_id,
        params: { model, max_tokens, messages: [{ role: "user" as const, content: custom_id }] }
      })
      const output = yield* withSdk(async (client) => {
        const { batches } = client.messages
        let batch = await batches.create({ requests: [request("a"), request("b"), request("c", 0)] })
        assert.strictEqual(batch.request_counts.processing, 3)
        while (batch.processing_status !== "ended") {
          // oxlint-disable-next-line eslint/no-await-in-loop
          await new Promise((resolve) => setTimeout(resolve, 10))
          // oxlint-disable-next-line eslint/no-await-in-loop
          batch = await batches.retrieve(batch.id)
        }
        const results: Record<string, string> = {}
        for await (const { custom_id, result } of await batches.results(batch.id)) results[custom_id] = result.type
        const found: Array<string> = []
        for await (const each of batches.list({ limit: 1 })) found.push(each.id)
        await batches.delete(batch.id)
        const running = await batches.create({ requests: [request("a")] })
        const cancelled = await batches.cancel(running.id)
        const duplicate = await batches.create({ requests: [request("a"), request("a")] }).catch(String)
        return { results, found, counts: batch.request_counts, cancelled: cancelled.processing_status, duplicate }
      })
      assert.deepStrictEqual(output.results, { a: "succeeded", b: "succeeded", c: "errored" })
      assert.deepStrictEqual(output.found, ["msgbatch_0"])
      assert.deepStrictEqual(output.counts, { processing: 0, succeeded: 2, errored: 1, canceled: 0, expired: 0 })
      assert.strictEqual(output.cancelled, "canceling")
      assert.include(JSON.stringify(output.duplicate), "duplicate")
    }).pipe(Effect.provide(simulate())))
})
