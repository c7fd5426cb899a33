/** Optional values. `Extraction` exports the public part. */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { AnyCheck } from "./check.ts"
import { type Extraction, make, type PromptInput, resolve } from "./definition.ts"

/**
 * Makes a value optional: `None` if the model finds none. Use it for values that a text may not contain, so that the
 * model can say so instead of inventing one.
 *
 * **Example** (A person, if there is one)
 *
 * ```ts
 * import { Effect, Option, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const person = Extraction.option(Person)
 *
 * const program = Extraction.extract(person, "It rained all day").pipe(
 *   Effect.provide(MockLlm.layer([{ result: null, reason: "no person is mentioned" }]))
 * )
 *
 * await Effect.runPromise(program) // => Option.none()
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const option: {
  <A, Input, R>(self: Extraction<A, Input, R>): Extraction<Option.Option<A>, Input, R>
  <A, R>(self: Schema.ConstraintDecoder<A, R>): Extraction<Option.Option<A>, PromptInput, R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>
): Extraction<Option.Option<A>, Input, R> => {
  const extraction = resolve<A, Input, R, unknown>(self)
  const { derivation, ...options } = extraction
  return make({
    ...options,
    schema: toOption(extraction.schema),
    checks: extraction.checks.map(ofSome),
    ...(derivation !== undefined && { prompt: () => Result.fail(optionFirst) })
  } as unknown as Extraction<Option.Option<A>, Input, R>)
}

const optionFirst = "Extraction.option comes before the combinators that ask several times or add to the value: " +
  "Extraction.grounded(Extraction.option(schema))"

/** A check of a value that there may be none of. */
const ofSome = <R>({ options, run }: AnyCheck<R>): AnyCheck<R> => ({
  options,
  run: (value: Option.Option<never>, context) =>
    Option.isNone(value) ? true : run(value.value, {
      ...context,
      json: (context.json as { readonly result?: Schema.Json }).result ?? null
    })
})

/** `reason` gives the model a place to explain a null. It is not part of the value. */
const toOption = <A, R>(schema: Schema.ConstraintDecoder<A, R>): Schema.ConstraintDecoder<Option.Option<A>, R> =>
  Schema.Struct({
    result: Schema.OptionFromNullOr(schema).annotate({ description: "null if there is none" }),
    reason: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({ description: "why the result is null" })
  }).pipe(
    Schema.decodeTo(
      Schema.Option(Schema.toType(schema)),
      SchemaTransformation.transform({
        decode: ({ result }) => result,
        encode: (result) => ({ result })
      })
    )
  )
