/**
 * Dialects of JSON Schema: what a provider accepts as the schema of a structured answer, with its limits. A provider
 * names its dialect on `Llm`; nothing else knows the limits of a provider.
 *
 * @since 0.1.0
 */
import type * as JsonSchema from "effect/JsonSchema"
import type * as Result from "effect/Result"

/**
 * A JSON Schema in its ordinary form, before a dialect has changed it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Document {
  readonly schema: JsonSchema.JsonSchema
  /** What `#/$defs/name` refers to, by its name. */
  readonly definitions: Readonly<Record<string, JsonSchema.JsonSchema>>
}

/**
 * A JSON Schema as a provider accepts it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepted {
  readonly jsonSchema: JsonSchema.JsonSchema
  /** Whether the provider can hold an answer to it to the letter. */
  readonly strict: boolean
}

/**
 * The place in a schema that a dialect has no form for, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unsupported {
  /** `$` is the root of the schema, `[]` the elements of a list, `{}` the values of a record. */
  readonly path: string
  readonly description: string
}

/**
 * What one kind of provider accepts. Decoding needs no dialect: it takes the ordinary form and every form that a dialect
 * may ask for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialect {
  readonly name: string
  /** The form of a schema that the provider accepts, or why there is none. */
  readonly accept: (document: Document) => Result.Result<Accepted, Unsupported>
}
