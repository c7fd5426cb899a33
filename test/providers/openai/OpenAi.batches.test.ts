import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Batch } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { OpenAI, toFile } from "openai"
import { vi } from "vitest"
import { echo, poll, texts } from "../batches/suite.ts"

vi.setConfig({ testTimeout: 60_000 })

const answer: OpenAiSimulator.Answer = ({ text }) => ({ text })

const simulate = (options?: Partial<OpenAiSimulator.Options>) =>
  OpenAiSimulator.layerLlm({
    answer,
    ...options,
    connect: (baseUrl) =>
      Layer.merge(
        OpenAi.layerBatch({ baseUrl, apiKey: options?.apiKey === undefined ? undefined : Redacted.make("right") }),
        OpenAi.layer({ baseUrl })
      )
  })

describe("OpenAi.layerBatch", () => {
  it.live("an upload that fails is repeated, and leaves no file behind", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(Batch.offline(echo, texts(3), { poll }))
      assert.strictEqual(items.length, 3)
      const { baseUrl } = yield* OpenAiSimulator.OpenAiSimulator
      const client = new OpenAI({ apiKey: "any", baseURL: baseUrl })
      const files = yield* Effect.promise(() => client.files.list({ purpose: "batch" }))
      assert.strictEqual(files.data.length, 1)
    }).pipe(Effect.provide(simulate({
      batches: {
        fault: (operation, call) =>
          operation === "create" && call === 0 ? Fault.error(503, { message: "Overloaded" }) : undefined
      }
    }))), 60_000)

  it.live("the official SDK drives the simulator", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.OpenAiSimulator
      const client = new OpenAI({ apiKey: "any", baseURL: baseUrl })
      const line = (id: string) =>
        JSON.stringify({
          custom_id: id,
          method: "POST",
          url: "/v1/chat/completions",
          body: { model: "gpt-5.4-mini", messages: [{ role: "user", content: id }] }
        })
      const output = yield* Effect.promise(async () => {
        const file = await client.files.create({
          file: await toFile(Buffer.from(`${line("a")}\n${line("b")}\n`), "batch.jsonl"),
          purpose: "batch"
        })
        let batch = await client.batches.create({
          input_file_id: file.id,
          endpoint: "/v1/chat/completions",
          completion_window: "24h",
          metadata: { mine: "yes" }
        })
        while (batch.status !== "completed") {
          // oxlint-disable-next-line eslint/no-await-in-loop
          await new Promise((resolve) => setTimeout(resolve, 10))
          // oxlint-disable-next-line eslint/no-await-in-loop
          batch = await client.batches.retrieve(batch.id)
        }
        const found: Array<string> = []
        for await (const each of client.batches.list()) found.push(each.id)
        const text = await (await client.files.content(batch.output_file_id!)).text()
        await client.files.delete(file.id)
        return { text, found, counts: batch.request_counts, metadata: batch.metadata }
      })
      assert.deepStrictEqual(output.found, ["batch_0"])
      assert.deepStrictEqual(output.counts, { total: 2, completed: 2, failed: 0 })
      assert.deepStrictEqual(output.metadata, { mine: "yes" })
      assert.deepStrictEqual(
        output.text.trim().split("\n").map((line) => (JSON.parse(line) as { custom_id: string }).custom_id),
        ["b", "a"]
      )
    }).pipe(Effect.provide(simulate())))
})
