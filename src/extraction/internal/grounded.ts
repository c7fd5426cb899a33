/** Values with their places in the source. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import * as Grounding from "../../quality/Grounding.ts"
import * as Leaves from "../../quality/Leaves.ts"
import * as Compiled from "../Compiled.ts"
import { isExtractionOrSchema, withCheck } from "./check.ts"
import { type Extraction, make, type PromptInput, resolve } from "./definition.ts"
import { derive } from "./derive.ts"
import type { Detailed } from "./detailed.ts"

/**
 * A value with the places in the source that state it: the value of `grounded`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Grounded<out A> {
  readonly value: A
  /** Every text, number, boolean and null of the answer, in the order of the answer. */
  readonly leaves: ReadonlyArray<Grounding.Leaf>
}

/**
 * The options of `grounded`.
 *
 * @category models
 * @since 0.1.0
 */
export interface GroundedOptions<in Input = never> extends Grounding.Options {
  /**
   * The text that an input is looked up in. Offsets are in UTF-16 code units of this text.
   *
   * @default the input if it is a text, and otherwise the text of the user's messages
   */
  readonly source?: ((input: Input) => string) | undefined
  /**
   * Whether to ask the model for a quote for each value that it normalises or infers. Quotes that the source does not
   * contain are dropped. It costs the tokens of the quotes.
   *
   * @default false
   */
  readonly quotes?: boolean | undefined
}

/**
 * Adds to a value where in the source each of its texts and numbers comes from. Use it to show a value in its document, to
 * find invented ones, or for `confidence`. Nothing is asked of the model unless `quotes` is set, and no value fails for
 * want of a place. `requireGrounding` makes it a check.
 *
 * **Example** (The place of a name)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.grounded(Extraction.make({ schema: Schema.Struct({ name: Schema.String }) }))
 *
 * const program = Extraction.extract(person, "My name is ADA.").pipe(
 *   Effect.map(({ leaves, value }) => [value.name, leaves[0]?.span]),
 *   Effect.provide(MockLlm.layer([{ name: "Ada" }]))
 * )
 *
 * await Effect.runPromise(program) // => ["Ada", { start: 11, end: 14, quote: "ADA", match: "normalised" }]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const grounded: {
  <Input>(options?: GroundedOptions<Input>): <A, R>(self: Extraction<A, Input, R>) => Extraction<Grounded<A>, Input, R>
  <A, Input, R>(self: Extraction<A, Input, R>, options?: GroundedOptions<Input>): Extraction<Grounded<A>, Input, R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    options?: GroundedOptions<PromptInput>
  ): Extraction<Grounded<A>, PromptInput, R>
} = dual(
  (args) => isExtractionOrSchema(args[0]),
  <A, Input, R>(
    self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
    options: GroundedOptions<Input> = {}
  ): Extraction<Grounded<A>, Input, R> => ground(resolve<A, Input, R, unknown>(self), options)
)

const ground = <A, Input, R>(
  self: Extraction<A, Input, R>,
  options: GroundedOptions<Input>
): Extraction<Grounded<A>, Input, R> => {
  const schema = groundedSchema(self.schema)
  const base = options.quotes === true ? quoting(self) : self
  return derive<Grounded<A>, Input, R, unknown>({ name: self.name, schema }, {
    base,
    key: `grounded ${options.fuzzy ?? ""} ${options.quotes === true}`,
    map: (change) => ground(change(self), options),
    run: ({ input, llm }) =>
      Effect.map(Compiled.extract<unknown, Input, R>(base, llm, input), (detailed): Detailed<Grounded<A>> => {
        const source = Grounding.make(options.source?.(input) ?? Compiled.sourceOf(base, input))
        const json = Compiled.jsonOf(base, detailed.answer)
        const { quotes, value, valueJson } = options.quotes === true
          ? readQuoted(detailed.value, json)
          : { quotes: [], value: detailed.value, valueJson: json }
        const leaves = withQuotes(Grounding.ground(source, valueJson, options), quotes, source)
        return { ...detailed, value: { value: value as A, leaves }, answer: { value: valueJson, leaves } }
      })
  })
}

const groundedSchema = <A, R>(
  schema: Schema.ConstraintDecoder<A, R>
): Schema.ConstraintDecoder<Grounded<A>, R> => Schema.Struct({ value: schema, leaves: Schema.Array(Grounding.Leaf) })

interface Quote {
  readonly path: string
  readonly quote: string
}

const Quotes = Schema.Array(Schema.Struct({
  path: Schema.String.annotate({ description: "the field, such as total or lines[0].price" }),
  quote: Schema.String.annotate({ description: "the words of the text that state it, copied exactly" })
})).annotate({ description: "A quote for each field that is not copied from the text as it stands" })

const quoting = <A, Input, R>(self: Extraction<A, Input, R>): Extraction<unknown, Input, R> =>
  make<unknown, R, Input>({
    ...self,
    schema: Schema.Struct({ value: self.schema, quotes: Quotes }) as unknown as Schema.ConstraintDecoder<unknown, R>,
    checks: []
  } as unknown as Extraction<unknown, Input, R>)

const readQuoted = (decoded: unknown, json: Schema.Json) => ({
  ...decoded as { readonly value: unknown; readonly quotes: ReadonlyArray<Quote> },
  valueJson: (json as { readonly value: Schema.Json }).value
})

/** Gives leaves without a place the place of their quote, if the source contains it. */
const withQuotes = (
  leaves: ReadonlyArray<Grounding.Leaf>,
  quotes: ReadonlyArray<Quote>,
  source: Grounding.Source
): ReadonlyArray<Grounding.Leaf> => {
  if (quotes.length === 0) return leaves
  const byPath = new Map(quotes.map(({ path, quote }) => [path.replace(/^\$\.?/, ""), quote]))
  return leaves.map((leaf) => {
    if (leaf.span !== null) return leaf
    const quote = byPath.get(Leaves.format(leaf.path))
    const span = quote === undefined ? undefined : source.spans(quote, { fuzzy: false })[0]
    return span === undefined ? leaf : { ...leaf, span: { ...span, match: "quoted" as const } }
  })
}

/**
 * Requires that the source states the named fields, exactly or after normalisation. The model is asked again for values
 * that it does not state. Use it for fields that are copied, such as names, numbers and amounts, and not for those that
 * are translated, summarised or chosen from a list.
 *
 * A field is named by its path, with `[]` for the positions of a list: `lines[].sku`. A name stands for all that is in it.
 *
 * **Example** (An invented number)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const invoice = Extraction.make({ schema: Schema.Struct({ number: Schema.NullOr(Schema.String) }) }).pipe(
 *   Extraction.requireGrounding(["number"])
 * )
 *
 * const program = Extraction.extract(invoice, "An invoice without a number").pipe(
 *   Effect.provide(MockLlm.layer([{ number: "A-1" }, { number: null }]))
 * )
 *
 * await Effect.runPromise(program) // => { number: null }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const requireGrounding: {
  (fields: ReadonlyArray<string>): <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>
  ) => Extraction<A, Input, R, Encoded>
  <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>,
    fields: ReadonlyArray<string>
  ): Extraction<A, Input, R, Encoded>
  <A, R>(self: Schema.ConstraintDecoder<A, R>, fields: ReadonlyArray<string>): Extraction<A, PromptInput, R>
} = dual(2, <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  fields: ReadonlyArray<string>
): Extraction<A, Input, R> => requireFields(resolve<A, Input, R, unknown>(self), fields))

const requireFields = <A, Input, R>(
  self: Extraction<A, Input, R>,
  fields: ReadonlyArray<string>
): Extraction<A, Input, R> =>
  withCheck(self, {
    options: {},
    run: (_, { json, source }) =>
      source === "" ? [] : Grounding.ground(source, json, { fuzzy: false })
        .filter(({ path }) => fields.some((field) => Leaves.isIn(path, field)))
        .filter((leaf) => Grounding.isStatable(leaf.value) && !Grounding.isStated(leaf))
        .map(({ path, value }) => ({
          path,
          message: `The text does not contain ${JSON.stringify(value)}. Give the value as the text states it`
        }))
  })
