/** What was changed in an answer to read it: always where exactly one reading exists. */
import * as Schema from "effect/Schema"

/**
 * The schema of `Coercion`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Coercion = Schema.Struct({
  /** The place in the answer. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Natural])),
  /**
   * `literal`: another case, or quotes around it. `boolean`, `number`: written as text. `list`: one value where a list
   * was asked for. `key`: a key in another case. `wrapper`: the whole value under a key of its own.
   */
  kind: Schema.Literals(["literal", "boolean", "number", "list", "key", "wrapper"])
})

/**
 * A difference between an answer and its schema that left one reading, such as `"12"` for a number. Extractions report
 * theirs in `Detailed.coercions`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Coercion extends Schema.Schema.Type<typeof Coercion> {}
