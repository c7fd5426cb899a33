/** Two hundred texts at once, to an account with a limit of 60,000 tokens a minute: none is refused, and none is lost. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Layer, Schema } from "effect"
import { Batch, Extraction, LlmGovernor } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int
}) {}

// What an answer may have counts in full, so say what it needs.
const person = Extraction.make({ schema: Person, parameters: { maxTokens: 50 } })

const texts = Array.from({ length: 200 }, (_, i) => `My name is John and I am ${20 + i % 60} years old`)

/** Says every few seconds what the governor is doing. */
const watch = Effect.gen(function*() {
  const { inFlight, queued, waiting } = yield* LlmGovernor.snapshot
  const why = waiting === undefined ? "" : ` for ${waiting.reason}`
  yield* Console.error(`${inFlight} in flight, ${queued} waiting${why}`)
}).pipe(Effect.delay("3 seconds"), Effect.forever)

const program = Effect.gen(function*() {
  const people = yield* Effect.raceFirst(Batch.all(person, texts, { concurrency: "unbounded" }), watch)
  const { rateLimited } = yield* LlmGovernor.snapshot
  yield* Console.log(`${people.length} people, ${rateLimited} refusals`)
})

/** The limits are found out from the headers of its answers. */
const model = Layer.unwrap(
  Effect.map(OpenAiSimulator.OpenAiSimulator, ({ baseUrl }) => OpenAi.layer({ baseUrl }))
).pipe(Layer.provide(OpenAiSimulator.layer({
  answer: ({ text }) => ({ name: "John", age: Number(/\d+/.exec(text)?.[0]) }),
  latency: Duration.millis(500),
  limits: { requestsPerMinute: 5000, tokensPerMinute: 60_000 }
})))

NodeRuntime.runMain(Effect.provide(program, model))
