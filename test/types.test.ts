/** What the types promise. The type checker makes the assertions; running them only shows that they are there. */
import { describe, it } from "@effect/vitest"
import {
  Context,
  Effect,
  type JsonSchema,
  Layer,
  type Option,
  Result,
  Schema,
  SchemaTransformation,
  Stream
} from "effect"
import {
  Batch,
  type BatchError,
  type BatchProgress,
  Extraction,
  type ExtractionError,
  ExtractionStream,
  type Journal,
  Llm,
  type LlmRequest
} from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import type { Prompt } from "effect/ai"
import { expectTypeOf } from "vitest"

class Person extends Schema.Class<Person>("Person")({ name: Schema.String, age: Schema.Int }) {}

class Rates extends Context.Service<Rates, { readonly rate: number }>()("Rates") {}

const Euro = Schema.Finite.pipe(
  Schema.decodeTo(
    Schema.Finite,
    SchemaTransformation.transformEffect({
      decode: (dollars) => Effect.map(Rates, ({ rate }) => dollars * rate),
      encode: (euro) => Effect.succeed(euro)
    })
  )
)

type PersonJson = { readonly name: string; readonly age: number }
type Letter = { readonly body: string }
type Error = ExtractionError.ExtractionError

const person = Extraction.make({ schema: Person })
const euro = Extraction.make({ schema: Euro })
const letter = Extraction.make({ schema: Person, prompt: (letter: Letter) => letter.body })

describe("types", () => {
  it("of extractions follow from the schema and the prompt", () => {
    expectTypeOf(person).toEqualTypeOf<Extraction.Extraction<Person, Extraction.PromptInput, never, PersonJson>>()
    expectTypeOf(euro).toEqualTypeOf<Extraction.Extraction<number, Extraction.PromptInput, Rates, number>>()
    expectTypeOf(letter).toEqualTypeOf<Extraction.Extraction<Person, Letter, never, PersonJson>>()
    expectTypeOf(Extraction.option(letter)).toEqualTypeOf<Extraction.Extraction<Option.Option<Person>, Letter, never>>()
    expectTypeOf(Extraction.option(Euro)).toEqualTypeOf<
      Extraction.Extraction<Option.Option<number>, Extraction.PromptInput, Rates>
    >()
    // A prompt may refuse its input.
    expectTypeOf(Extraction.make({
      schema: Person,
      prompt: ({ body }: Letter) => body === "" ? Result.fail("The letter is empty") : Result.succeed(body)
    })).toEqualTypeOf<Extraction.Extraction<Person, Letter, never, PersonJson>>()
    // @ts-expect-error the failure of a prompt is a description
    Extraction.make({ schema: Person, prompt: ({ body }: Letter) => body === "" ? Result.fail(404) : body })
  })

  it("of with and mapInput keep the rest of the extraction", () => {
    expectTypeOf(Extraction.with(letter, { model: "large" })).toEqualTypeOf<typeof letter>()
    expectTypeOf(letter.pipe(Extraction.with({ model: "large" }))).toEqualTypeOf<typeof letter>()
    type OfNumber = Extraction.Extraction<number, number, Rates, number>
    expectTypeOf(Extraction.mapInput(euro, (n: number) => `${n} dollars`)).toEqualTypeOf<OfNumber>()
    expectTypeOf(euro.pipe(Extraction.mapInput((n: number) => `${n} dollars`))).toEqualTypeOf<OfNumber>()
    expectTypeOf(
      Extraction.mapInput(letter, (n: number) => n > 0 ? Result.succeed({ body: `${n}` }) : Result.fail("negative"))
    ).toEqualTypeOf<Extraction.Extraction<Person, number, never, PersonJson>>()
    // @ts-expect-error the schema and the prompt are not among the overrides
    Extraction.with(person, { schema: Schema.String })
    // @ts-expect-error a letter is not a text
    Extraction.mapInput(letter, (n: number) => `${n}`)
  })

  it("of streams name the element, and the parts of a growing value", () => {
    expectTypeOf(ExtractionStream.elements(euro, "x")).toEqualTypeOf<
      Stream.Stream<ExtractionStream.Element<number>, Error, Llm.Llm | Rates>
    >()
    expectTypeOf(ExtractionStream.values(letter, { body: "x" })).toEqualTypeOf<Stream.Stream<Person, Error, Llm.Llm>>()
    expectTypeOf(ExtractionStream.partial(letter, { body: "x" })).toEqualTypeOf<
      Stream.Stream<ExtractionStream.Snapshot<Person, PersonJson>, Error, Llm.Llm>
    >()
    type Order = ExtractionStream.DeepPartial<{
      readonly status: "open" | "closed"
      readonly note?: string
      readonly lines: ReadonlyArray<{ readonly sku: string; readonly count: number }>
      readonly tags: { readonly [key: string]: string }
      readonly pair: readonly [string, number]
    }>
    expectTypeOf<Order>().toEqualTypeOf<{
      readonly status?: string
      readonly note?: string | null
      readonly lines?: ReadonlyArray<{ readonly sku?: string; readonly count?: number }>
      readonly tags?: unknown
      readonly pair?: unknown
    }>()
  })

  it("of running functions name the value, the error and the services", () => {
    expectTypeOf(Extraction.extract(person, "x")).toEqualTypeOf<Effect.Effect<Person, Error, Llm.Llm>>()
    expectTypeOf(Extraction.extract(Person, "x")).toEqualTypeOf<Effect.Effect<Person, Error, Llm.Llm>>()
    expectTypeOf(Extraction.extract(euro, "x")).toEqualTypeOf<Effect.Effect<number, Error, Llm.Llm | Rates>>()
    expectTypeOf(Extraction.extract(letter, { body: "x" })).toEqualTypeOf<Effect.Effect<Person, Error, Llm.Llm>>()
    expectTypeOf(Extraction.extractDetailed(person, "x")).toEqualTypeOf<
      Effect.Effect<Extraction.Detailed<Person>, Error, Llm.Llm>
    >()
    expectTypeOf(Extraction.decode(Euro, 1)).toEqualTypeOf<Effect.Effect<number, Error, Rates>>()
    expectTypeOf(Extraction.jsonSchema(person)).toEqualTypeOf<Result.Result<JsonSchema.JsonSchema, Error>>()
    expectTypeOf(Extraction.toRequest(letter, { body: "x" }, { model: "small" })).toEqualTypeOf<
      Result.Result<LlmRequest.LlmRequest, Error>
    >()
  })

  it("of inputs are checked", () => {
    expectTypeOf<Prompt.Prompt>().toExtend<Extraction.PromptInput>()
    // @ts-expect-error a letter is not a string
    void Extraction.extract(letter, "x")
    // @ts-expect-error a number is not a prompt
    void Extraction.extract(person, 1)
    // @ts-expect-error a number is not a prompt for a bare schema either
    void Extraction.extract(Person, 1)
    // @ts-expect-error there is no such mode
    void Extraction.make({ schema: Person, mode: "xml" })
    // @ts-expect-error there is no such dialect
    void (() => Extraction.jsonSchema(person, "xml"))
  })

  it("of batches follow from the extraction and the source", () => {
    expectTypeOf(Batch.all(person, ["x"], { concurrency: 2 })).toEqualTypeOf<
      Effect.Effect<Array<Person>, Error, Llm.Llm>
    >()
    expectTypeOf(Batch.all(Person, ["x"])).toEqualTypeOf<Effect.Effect<Array<Person>, Error, Llm.Llm>>()
    expectTypeOf(Batch.all(letter, new Set([{ body: "x" }]))).toEqualTypeOf<
      Effect.Effect<Array<Person>, Error, Llm.Llm>
    >()
    expectTypeOf(Batch.results(person, ["x"])).toEqualTypeOf<
      Effect.Effect<Array<Result.Result<Person, Error>>, never, Llm.Llm>
    >()
    expectTypeOf(Batch.stream(euro, Stream.make("x").pipe(Stream.mapError(() => "broken" as const)))).toExtend<
      Stream.Stream<Batch.Item<number, string>, "broken" | BatchError.BatchError, Llm.Llm | Rates>
    >()
    const letters: ReadonlyArray<Letter & { readonly id: number }> = []
    expectTypeOf(Batch.stream(letter, letters)).toEqualTypeOf<
      Stream.Stream<Batch.Item<Person, Letter & { readonly id: number }>, BatchError.BatchError, Llm.Llm>
    >()
    expectTypeOf(Batch.resumable(letter, letters, { id: ({ id }) => `${id}` })).toExtend<
      Stream.Stream<
        Batch.Item<Person, Letter & { readonly id: number }>,
        BatchError.BatchError,
        Llm.Llm | Journal.Journal
      >
    >()
    expectTypeOf(Batch.elements(letter, letters, { reask: true, timeout: "1 hour", id: ({ id }) => `${id}` }))
      .toEqualTypeOf<
        Stream.Stream<Batch.ElementItem<Person, Letter & { readonly id: number }>, BatchError.BatchError, Llm.Llm>
      >()
    expectTypeOf(Effect.forEach(["x"], (text) => Extraction.extract(person, text), { concurrency: 2 })).toEqualTypeOf<
      Effect.Effect<Array<Person>, Error, Llm.Llm>
    >()
  })

  it("of the ends of a batch name the values and the failed items", () => {
    const items = Batch.stream(euro, ["x"])
    expectTypeOf(Batch.values(items)).toEqualTypeOf<
      Stream.Stream<number, BatchError.BatchError | Error, Llm.Llm | Rates>
    >()
    expectTypeOf(Batch.values(Batch.elements(euro, ["x"]))).toEqualTypeOf<
      Stream.Stream<number, BatchError.BatchError | Error, Llm.Llm | Rates>
    >()
    expectTypeOf(Batch.partition(items)).toEqualTypeOf<
      Effect.Effect<
        readonly [values: Array<number>, failed: Array<Batch.Item<number, string>>],
        BatchError.BatchError,
        Llm.Llm | Rates
      >
    >()
    const record = null as unknown as Journal.JournalRecord
    expectTypeOf(() => Batch.restore(euro, record)).toEqualTypeOf<
      () => Effect.Effect<Result.Result<number, Error>, never, Rates>
    >()
  })

  it("refuse a text as the source of a batch", () => {
    // @ts-expect-error a text is not a list of inputs
    void Batch.all(person, "text")
    // @ts-expect-error a text is not a list of inputs
    void Batch.results(person, "text")
    // @ts-expect-error a text is not a source
    void Batch.stream(person, "text")
    // @ts-expect-error a text is not a source
    void Batch.resumable(Person, "text")
    // @ts-expect-error a text is not a source
    void Batch.elements(person, "text")
    // @ts-expect-error a text is not a source
    void Batch.estimate(Person, "text")
  })

  it("refuse inputs that the extraction does not accept", () => {
    // @ts-expect-error a text is not a letter
    void Batch.all(letter, ["text"])
    // @ts-expect-error a number is not a prompt
    void Batch.stream(person, [1])
    // @ts-expect-error a number is not a prompt for a bare schema either
    void Batch.elements(Person, Stream.make(1))
  })

  it("refuse a BatchProgress that BatchProgress.make did not make", () => {
    const own: Omit<BatchProgress.BatchProgress, symbol> = { events: Stream.empty, snapshot: Effect.never }
    // @ts-expect-error only BatchProgress.make makes one
    void Batch.stream(person, [], { progress: own })
    // @ts-expect-error only BatchProgress.make makes one
    void Batch.all(person, [], { progress: { events: Stream.empty, snapshot: Effect.never } })
  })

  it("of Llm.stack are those of its layers, without the Llm that one gives to the next", () => {
    class Meter extends Context.Service<Meter, number>()("Meter") {}
    class Key extends Context.Service<Key, string>()("Key") {}
    const mock = MockLlm.layer([])
    expectTypeOf(Llm.stack({ provider: mock })).toEqualTypeOf<Layer.Layer<Llm.Llm | MockLlm.MockLlm>>()
    const bare = Layer.effect(
      Llm.Llm,
      Effect.flatMap(Key, () => Effect.flip(Effect.never)) as Effect.Effect<
        Llm.Llm["Service"],
        "no key",
        Key
      >
    )
    const metered = Layer.effectContext(
      Effect.map(Llm.Llm, (llm) => Context.make(Llm.Llm, llm).pipe(Context.add(Meter, 0)))
    )
    expectTypeOf(Llm.stack({ provider: bare })).toEqualTypeOf<Layer.Layer<Llm.Llm, "no key", Key>>()
    expectTypeOf(Llm.stack({ provider: bare, budget: metered })).toEqualTypeOf<
      Layer.Layer<Llm.Llm | Meter, "no key", Key>
    >()
    expectTypeOf(Llm.stack({ provider: mock, governor: metered, cache: metered })).toEqualTypeOf<
      Layer.Layer<Llm.Llm | MockLlm.MockLlm | Meter>
    >()
  })
})
