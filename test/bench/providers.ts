/**
 * The CPU of one extraction without a network, for each native provider and for a bare `Llm`, in one run.
 *
 * `npm run bench:providers`
 */
import { Effect, Layer, Redacted, Schema } from "effect"
import { Extraction, Llm, Transport, Usage } from "effect-instructor"
import { Anthropic } from "effect-instructor/anthropic"
import { Google } from "effect-instructor/google"
import { OpenAi } from "effect-instructor/openai"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const person = Extraction.make({ schema: Person })
const text = JSON.stringify({ name: "Ada", age: 36 })

const bodies = {
  openai: {
    id: "1",
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
    usage: { prompt_tokens: 50, completion_tokens: 10, total_tokens: 60 }
  },
  anthropic: {
    id: "1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text }],
    stop_reason: "end_turn",
    usage: { input_tokens: 50, output_tokens: 10 }
  },
  google: {
    candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 50, candidatesTokenCount: 10 },
    modelVersion: "m",
    responseId: "1"
  }
} as const

const answering = (body: object) =>
  Layer.succeed(Transport.Transport, {
    send: () => Effect.succeed({ status: 200, headers: {}, body: JSON.stringify(body) }),
    stream: () => Effect.die("not streamed")
  })

const options = { apiKey: Redacted.make("key"), model: "m" }
const layers: Readonly<Record<string, Layer.Layer<Llm.Llm>>> = {
  bare: Layer.succeed(
    Llm.Llm,
    Llm.make({
      provider: "bare",
      model: "m",
      complete: () =>
        Effect.succeed({ id: "1", model: "m", text, toolCalls: [], finishReason: "stop", usage: Usage.zero })
    })
  ),
  openai: OpenAi.layerProvider(options).pipe(Layer.provide(answering(bodies.openai))),
  anthropic: Anthropic.layerProvider(options).pipe(Layer.provide(answering(bodies.anthropic))),
  google: Google.layerProvider(options).pipe(Layer.provide(answering(bodies.google)))
}

const count = 3000
const rounds = 5

const program = Effect.gen(function*() {
  const best = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, layer] of Object.entries(layers)) {
      const context = yield* Layer.build(layer)
      const before = process.cpuUsage()
      yield* Effect.provideContext(
        Effect.forEach(
          Array.from({ length: count }, (_, i) => `I am Ada ${i}`),
          (input) => Extraction.extract(person, input),
          {
            discard: true
          }
        ),
        context
      )
      const { system, user } = process.cpuUsage(before)
      best.set(name, Math.min(best.get(name) ?? Infinity, (system + user) / count))
    }
  }
  const bare = best.get("bare")!
  for (const [name, micros] of best) {
    console.log(`${name.padEnd(10)} ${micros.toFixed(1).padStart(6)} µs   ${(micros / bare).toFixed(2)} × bare`)
  }
}).pipe(Effect.scoped)

await Effect.runPromise(program)
