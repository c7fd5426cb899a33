import { Effect, Layer, ManagedRuntime, Result, Schema, Stream } from "effect"
import { Batch, Extraction, ExtractionStream } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"

const person = Extraction.make({
  schema: Schema.Struct({ name: Schema.String, age: Schema.Int }),
  name: "Person"
})

/** How many texts become values. */
const ways = {
  extract: (texts, concurrency, check) =>
    Effect.forEach(
      texts,
      (text) => {
        const start = performance.now()
        return Effect.map(Extraction.extract(person, text), (value) => check(text, value, start))
      },
      { concurrency, discard: true }
    ),
  results: (texts, concurrency, check) =>
    Effect.map(
      Batch.results(person, texts, { concurrency }),
      (results) => results.forEach((result, i) => check(texts[i], Result.getOrThrow(result)))
    ),
  stream: (texts, concurrency, check) =>
    Stream.runForEach(
      Batch.stream(person, Stream.fromIterable(texts), { concurrency }),
      ({ input, result }) => Effect.sync(() => check(input, Result.getOrThrow(result)))
    ),
  /** Lists of one person each, streamed. */
  elements: (texts, concurrency, check) =>
    Effect.forEach(
      texts,
      (text) => {
        const start = performance.now()
        return Stream.runForEach(
          ExtractionStream.values(person, text),
          (value) => Effect.sync(() => check(text, value, start))
        )
      },
      { concurrency, discard: true }
    )
}

export default (way, transport = Layer.empty) => (baseURL) => {
  const runtime = ManagedRuntime.make(OpenAi.layer({ baseUrl: baseURL }).pipe(Layer.provide(transport)))
  return { all: (texts, concurrency, check) => runtime.runPromise(ways[way](texts, concurrency, check)) }
}
