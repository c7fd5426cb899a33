/** Two hundred texts at once with a limit of 60,000 tokens a minute: no request is refused, and no text is lost. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { Batch, Extraction, LlmGovernor } from "effect-instructor"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int
}) {}

// The limit counts the most tokens that an answer may have, so set what it needs.
const person = Extraction.make({ schema: Person, parameters: { maxTokens: 50 } })

const texts = Array.from({ length: 200 }, (_, i) => `My name is John and I am ${20 + i % 60} years old`)

/** Prints the state of the governor every few seconds. */
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

/** The governor learns the limits from the headers of the answers. */
const model = OpenAiSimulator.layerLlm({
  answer: ({ text }) => ({ name: "John", age: Number(/\d+/.exec(text)?.[0]) }),
  latency: "500 millis",
  limits: { requestsPerMinute: 5000, tokensPerMinute: 60_000 }
})

NodeRuntime.runMain(Effect.provide(program, model))
