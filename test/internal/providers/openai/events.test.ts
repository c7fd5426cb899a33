import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { Llm } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { FetchHttpClient } from "effect/http"

const upTo = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most }))

/** Pieces with everything that an event could be split at, and many that are equal. */
const Piece = Schema.Array(
  Schema.Literals([
    "a",
    "a",
    "b",
    "\"",
    "\\",
    "\n",
    "\r",
    "🦄",
    "\u0000",
    "é",
    "content",
    "\",\"",
    "~effect-instructor"
  ])
).check(Schema.isMaxLength(3))

const Event = Schema.Struct({
  piece: Piece,
  kind: Schema.Literals(["text", "text", "text", "call", "other call", "named call", "both", "nothing"]),
  padding: Schema.Literals(["", "", "", "x", "a", "b", "content\":\"a"]),
  id: Schema.Literals(["1", "1", "1", "2"]),
  usage: Schema.Literals([0, 0, 0, 7])
})

const delta = ({ kind, piece }: typeof Event.Type) => {
  const text = piece.join("")
  const call = { index: kind === "other call" ? 1 : 0, function: { arguments: text } }
  switch (kind) {
    case "text":
      return { content: text }
    case "call":
    case "other call":
      return { tool_calls: [call] }
    case "named call":
      return { tool_calls: [{ ...call, id: "call", function: { name: "f", arguments: text } }] }
    case "both":
      return { content: text, tool_calls: [call] }
    case "nothing":
      return {}
  }
}

const chunk = (event: typeof Event.Type) => ({
  id: event.id,
  choices: [{ index: 0, delta: delta(event), finish_reason: null }],
  ...(event.usage > 0 && { usage: { prompt_tokens: 1, completion_tokens: event.usage } }),
  ...(event.padding !== "" && { padding: event.padding })
})

/** The parts of the events, read one by one. */
const partsOf = (events: ReadonlyArray<typeof Event.Type>) =>
  events.flatMap((event) => {
    const text = event.piece.join("")
    if (text === "") return []
    const index = event.kind === "other call" ? 1 : 0
    return [
      ...(event.kind === "text" || event.kind === "both" ? [{ _tag: "TextDelta", delta: text }] : []),
      ...(/call|both/.test(event.kind) ? [{ _tag: "ToolArgumentsDelta", index, delta: text }] : [])
    ]
  })

const request = {
  model: "m",
  messages: [],
  output: { mode: "markdown", name: "x", jsonSchema: {} },
  parameters: {}
} as const

const served = (text: string, size: number) => {
  const bytes = new TextEncoder().encode(text)
  const fetch: typeof globalThis.fetch = () =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          start: (controller) => {
            for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size))
            controller.close()
          }
        }),
        { headers: { "content-type": "text/event-stream" } }
      )
    )
  return Llm.Llm.use((llm) => Stream.runCollect(llm.stream(request))).pipe(
    Effect.provide(OpenAi.layerProvider({})),
    Effect.provideService(FetchHttpClient.Fetch, fetch)
  )
}

describe("streamed events", () => {
  it.effect.prop(
    "have the same meaning however similar they are, and wherever the bytes are split",
    [
      Schema.Array(Event).check(Schema.isMaxLength(12)),
      Schema.Literals(["\n", "\r\n", "\r"]),
      upTo(60)
    ],
    ([events, newline, size]) =>
      Effect.gen(function*() {
        const last = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }
        const text = [
          ": a comment",
          ...[...events.map(chunk), last].map((one) => `data: ${JSON.stringify(one)}${newline}`),
          ""
        ]
          .join(newline) + `data: [DONE]${newline}${newline}`
        const parts = yield* served(text, size + 1)
        assert.deepStrictEqual<ReadonlyArray<unknown>>(parts.slice(0, -1), partsOf(events))
        const end = parts.at(-1)!
        const completion = end._tag === "Finish" ? end.completion : undefined
        const joined = (tag: string, index?: number) =>
          partsOf(events).filter((part) =>
            part._tag === tag && (index === undefined || "index" in part && part.index === index)
          )
            .map((part) => part.delta).join("")
        assert.strictEqual(completion?.text, joined("TextDelta"))
        for (const { arguments: args, id } of completion!.toolCalls) {
          assert.strictEqual(args, joined("ToolArgumentsDelta", id === "call_1" ? 1 : 0))
        }
        assert.strictEqual(completion!.id, events.at(-1)?.id ?? "")
        assert.strictEqual(completion!.usage.outputTokens, events.findLast(({ usage }) => usage > 0)?.usage ?? 0)
      }),
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  it.effect("may have their data on several lines", () =>
    Effect.gen(function*() {
      const parts = yield* served(
        "event: message\ndata: {\"choices\":\ndata:[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        7
      )
      assert.deepStrictEqual(parts[0], { _tag: "TextDelta", delta: "a" })
    }))

  it.effect("are not confused by another field that equals the piece of an earlier event", () =>
    Effect.gen(function*() {
      const event = (content: string, padding: string) =>
        `data: ${JSON.stringify({ choices: [{ delta: { content } }], padding })}\n\n`
      const parts = yield* served(
        [event("a", "a"), event("a", "b"), event("a", "c"), "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"]
          .join(""),
        1000
      )
      assert.deepStrictEqual(parts.slice(0, -1), [
        { _tag: "TextDelta", delta: "a" },
        { _tag: "TextDelta", delta: "a" },
        { _tag: "TextDelta", delta: "a" }
      ])
    }))
})
