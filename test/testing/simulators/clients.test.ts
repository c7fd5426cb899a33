/** Other clients of Chat Completions against the simulator: the official SDK with its Zod helpers and streams. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { OpenAI } from "openai"
import { LengthFinishReasonError } from "openai/error"
import { zodFunction, zodResponseFormat } from "openai/helpers/zod"
import { z } from "zod"

const Person = z.object({ name: z.string(), age: z.number().int(), email: z.string().nullable() })
const person = { name: "Ada", age: 36, email: null }

const messages = [{ role: "user" as const, content: "I am Ada" }]

const withClient = <A>(use: (client: OpenAI) => Promise<A>) =>
  OpenAiSimulator.OpenAiSimulator.use(({ baseUrl }) =>
    Effect.promise(() => use(new OpenAI({ apiKey: "any", baseURL: baseUrl, maxRetries: 0 })))
  )

describe("the official SDK", () => {
  it.live("parses a structured answer with a Zod schema", () =>
    Effect.gen(function*() {
      const { choices } = yield* withClient((client) =>
        client.chat.completions.parse({
          model: "m",
          messages,
          response_format: zodResponseFormat(Person, "person")
        })
      )
      assert.deepStrictEqual(choices[0]!.message.parsed, person)
      const { entries } = yield* OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)
      assert.include(JSON.stringify(entries[0]!.request.body), "$schema")
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => person }))))

  it.live("parses the arguments of a Zod function", () =>
    Effect.gen(function*() {
      const { choices } = yield* withClient((client) =>
        client.chat.completions.parse({
          model: "m",
          messages,
          tools: [zodFunction({ name: "save", parameters: Person })]
        })
      )
      const [call] = choices[0]!.message.tool_calls as ReadonlyArray<any>
      assert.deepStrictEqual(call.function.parsed_arguments, person)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => person }))))

  it.live("runs tools until the model answers in text", () =>
    Effect.gen(function*() {
      const saved: Array<unknown> = []
      const content = yield* withClient((client) =>
        client.chat.completions.runTools({
          model: "m",
          messages,
          tools: [
            zodFunction({ name: "save", parameters: Person, function: (value) => void saved.push(value) })
          ]
        }).finalContent()
      )
      assert.deepStrictEqual(saved, [person])
      assert.strictEqual(content, "Saved")
    }).pipe(
      Effect.provide(OpenAiSimulator.layer({ answer: ({ mode }) => mode === "tools" ? person : "Saved" }))
    ))

  it.live("reports an answer that max_completion_tokens has cut", () =>
    Effect.gen(function*() {
      const error = yield* withClient((client) =>
        client.chat.completions.parse({
          model: "m",
          messages,
          max_completion_tokens: 3,
          response_format: zodResponseFormat(Person, "person")
        }).then(() => undefined, (error: unknown) => error)
      )
      assert.instanceOf(error, LengthFinishReasonError)
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => person }))))

  it.live("streams an answer, its snapshots and its usage", () =>
    Effect.gen(function*() {
      const snapshots: Array<string> = []
      const completion = yield* withClient((client) =>
        client.chat.completions
          .stream({
            model: "m",
            messages,
            stream_options: { include_usage: true },
            response_format: zodResponseFormat(Person, "person")
          })
          .on("content", (_, snapshot) => snapshots.push(snapshot))
          .finalChatCompletion()
      )
      assert.deepStrictEqual(completion.choices[0]!.message.parsed, person)
      assert.strictEqual(completion.usage?.completion_tokens, 9)
      assert.strictEqual(snapshots.at(-1), JSON.stringify(person))
      assert.isAbove(snapshots.length, 3)
    }).pipe(
      Effect.provide(
        OpenAiSimulator.layer({ answer: () => Reply.withUsage(person, { inputTokens: 5, outputTokens: 9 }) })
      )
    ))

  it.live("lists and retrieves models", () =>
    Effect.gen(function*() {
      const ids = yield* withClient(async (client) => {
        const listed: Array<string> = []
        for await (const { id } of client.models.list()) listed.push(id)
        return [...listed, (await client.models.retrieve("b")).id]
      })
      assert.deepStrictEqual(ids, ["a", "b", "b"])
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "", models: ["a", "b"] }))))
})
