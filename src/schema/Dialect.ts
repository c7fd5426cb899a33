/**
 * Dialects of JSON Schema: the subset of JSON Schema that a provider accepts for structured answers, with its limits. A
 * provider names its dialect on `Llm`. Only the dialects know the limits of providers.
 */
import type * as JsonSchema from "effect/JsonSchema"
import type * as Result from "effect/Result"

/**
 * A JSON Schema before a dialect has changed it: what a dialect gets.
 *
 * @category models
 * @since 0.1.0
 */
export interface SchemaDocument {
  readonly schema: JsonSchema.JsonSchema
  /** The definitions that `#/$defs/name` refers to, by name. */
  readonly definitions: Readonly<Record<string, JsonSchema.JsonSchema>>
}

/**
 * A JSON Schema in the form that a provider accepts.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptedSchema {
  readonly jsonSchema: JsonSchema.JsonSchema
  /** Whether the provider can enforce the schema exactly. */
  readonly strict: boolean
  /**
   * Whether the system message shows the schema too, because the provider does not enforce it.
   *
   * @default false
   */
  readonly shown?: boolean | undefined
}

/**
 * A place in a schema that a dialect cannot express.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unsupported {
  /** `$` is the root of the schema, `[]` the elements of a list, `{}` the values of a record. */
  readonly path: string
  /** Why the provider does not accept it, as the end of a sentence: "it accepts any value". */
  readonly description: string
}

/** An output mode, as in `LlmRequest`. */
type Mode = "json_schema" | "tools" | "json" | "markdown"

/**
 * A dialect of JSON Schema. Write one for a provider whose subset of JSON Schema or limits differ from the built-in
 * dialects. Answers are decoded in the same way in all dialects.
 *
 * **Example** (A dialect with a limit)
 *
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Extraction, type Llm } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const small: Llm.Dialect = {
 *   name: "small",
 *   accept: ({ definitions, schema }) =>
 *     Object.keys(definitions).length > 0
 *       ? Result.fail({ path: "$", description: "it needs definitions" })
 *       : Result.succeed({ jsonSchema: schema, strict: false })
 * }
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "I live in Paris").pipe(
 *   Effect.provide(MockLlm.layer([{ city: "Paris" }], { dialect: small }))
 * )
 *
 * await Effect.runPromise(program) // => { city: "Paris" }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialect {
  readonly name: string
  /**
   * The output modes that the provider offers for a model, or for its default model, the best first: an extraction that
   * names no mode uses it.
   *
   * @default all, with `json_schema` first
   */
  readonly modes?: ((model: string | undefined) => ReadonlyArray<Mode>) | undefined
  /**
   * Whether a model goes on with its own words if they are the last message of a request (prefill). It is asked for the
   * rest of an answer so.
   *
   * @default never
   */
  readonly continues?: ((model: string) => boolean) | undefined
  /** Converts a schema to the form that the provider accepts, or reports why that is impossible. */
  readonly accept: (document: SchemaDocument) => Result.Result<AcceptedSchema, Unsupported>
}
