/** What the types promise. The assertions are made by the type checker; running them only proves they are there. */
import { describe, it } from "@effect/vitest"
import { Context, Effect, type Option, type Result, Schema, SchemaTransformation, Stream } from "effect"
import {
  Batch,
  type BatchError,
  Extraction,
  type ExtractionError,
  ExtractionStream,
  type Journal,
  type Llm
} from "effect-instructor"
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
type Error = ExtractionError.ExtractionError

const person = Extraction.make({ schema: Person })
const euro = Extraction.make({ schema: Euro })
const letter = Extraction.make({ schema: Person, prompt: (letter: { readonly body: string }) => letter.body })

describe("types", () => {
  it("of extractions follow from the schema and the prompt", () => {
    expectTypeOf(person).toEqualTypeOf<Extraction.Extraction<Person, Extraction.PromptInput, never, PersonJson>>()
    expectTypeOf(euro).toEqualTypeOf<Extraction.Extraction<number, Extraction.PromptInput, Rates, number>>()
    expectTypeOf(letter).toEqualTypeOf<
      Extraction.Extraction<Person, { readonly body: string }, never, PersonJson>
    >()
    expectTypeOf(Extraction.maybe(letter)).toEqualTypeOf<
      Extraction.Extraction<Option.Option<Person>, { readonly body: string }, never>
    >()
    expectTypeOf(Extraction.maybe(Euro)).toEqualTypeOf<
      Extraction.Extraction<Option.Option<number>, Extraction.PromptInput, Rates>
    >()
  })

  it("of streams name the element, and what there may be of a growing value", () => {
    expectTypeOf(ExtractionStream.elements(euro, "x")).toEqualTypeOf<
      Stream.Stream<ExtractionStream.Element<number>, Error, Llm.Llm | Rates>
    >()
    expectTypeOf(letter.pipe(ExtractionStream.values({ body: "x" }))).toEqualTypeOf<
      Stream.Stream<Person, Error, Llm.Llm>
    >()
    expectTypeOf(ExtractionStream.batch(letter, [{ body: "x", id: 1 }])).toEqualTypeOf<
      Stream.Stream<ExtractionStream.BatchElement<Person, { body: string; id: number }>, never, Llm.Llm>
    >()
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

  it("of extract name the value, the error and what is needed", () => {
    expectTypeOf(Extraction.extract(person, "x")).toEqualTypeOf<Effect.Effect<Person, Error, Llm.Llm>>()
    expectTypeOf(Extraction.extract(Person, "x")).toEqualTypeOf<Effect.Effect<Person, Error, Llm.Llm>>()
    expectTypeOf(Extraction.extract(euro, "x")).toEqualTypeOf<Effect.Effect<number, Error, Llm.Llm | Rates>>()
    expectTypeOf(letter.pipe(Extraction.extract({ body: "x" }))).toEqualTypeOf<Effect.Effect<Person, Error, Llm.Llm>>()
    expectTypeOf(Extraction.extractDetailed(person, "x")).toEqualTypeOf<
      Effect.Effect<Extraction.Detailed<Person>, Error, Llm.Llm>
    >()
  })

  it("of inputs are checked", () => {
    expectTypeOf<Prompt.Prompt>().toExtend<Extraction.PromptInput>()
    // @ts-expect-error a letter is no string
    void Extraction.extract(letter, "x")
    // @ts-expect-error a number is no prompt
    void Extraction.extract(person, 1)
    // @ts-expect-error a number is no prompt for a bare schema either
    void Extraction.extract(Person, 1)
    // @ts-expect-error there is no such mode
    void Extraction.make({ schema: Person, mode: "xml" })
  })

  it("of batches follow from the extraction", () => {
    expectTypeOf(Batch.all(person, ["x"], { concurrency: 2 })).toEqualTypeOf<
      Effect.Effect<Array<Person>, Error, Llm.Llm>
    >()
    expectTypeOf(Batch.all(Person, ["x"])).toEqualTypeOf<Effect.Effect<Array<Person>, Error, Llm.Llm>>()
    expectTypeOf(letter.pipe(Batch.all([{ body: "x" }]))).toEqualTypeOf<Effect.Effect<Array<Person>, Error, Llm.Llm>>()
    expectTypeOf(Batch.results(person, ["x"])).toEqualTypeOf<
      Effect.Effect<Array<Result.Result<Person, Error>>, never, Llm.Llm>
    >()
    expectTypeOf(Batch.stream(euro, Stream.make("x").pipe(Stream.mapError(() => "broken" as const)))).toExtend<
      Stream.Stream<Batch.Item<number, string>, "broken" | BatchError.BatchError, Llm.Llm | Rates>
    >()
    const letters: ReadonlyArray<{ readonly body: string; readonly id: number }> = []
    expectTypeOf(Batch.stream(letter, letters)).toEqualTypeOf<
      Stream.Stream<
        Batch.Item<Person, { readonly body: string; readonly id: number }>,
        BatchError.BatchError,
        Llm.Llm
      >
    >()
    expectTypeOf(letter.pipe(Batch.resumable(letters, { id: ({ id }) => `${id}` }))).toExtend<
      Stream.Stream<Batch.Item<Person, unknown>, BatchError.BatchError, Llm.Llm | Journal.Journal>
    >()
    const read: ReadonlyArray<string | Error> = []
    expectTypeOf(Batch.stream(person, read, { id: (text) => text.trim() })).toExtend<
      Stream.Stream<Batch.Item<Person, string | Error>, BatchError.BatchError, Llm.Llm>
    >()
    expectTypeOf(Effect.forEach(["x"], (text) => Extraction.extract(person, text), { concurrency: 2 })).toEqualTypeOf<
      Effect.Effect<Array<Person>, Error, Llm.Llm>
    >()
  })
})
