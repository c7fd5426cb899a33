/** Schemas from JSON Schema documents. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { SchemaDocument, Unsupported } from "./Dialect.ts"
import * as Asked from "./internal/asked.ts"
import * as Document from "./internal/document.ts"
import * as External from "./internal/external.ts"
import * as Validator from "./internal/validator.ts"

/**
 * Makes a schema from a JSON Schema document (draft 4 to 2020-12), or reports what in it cannot be read.
 *
 * An object that lists its properties and does not mention others is asked for without others: what the schema does not
 * ask for is not extracted. Patterns are executed as regular expressions, so the document must be trusted.
 */
export const make = (document: unknown): Result.Result<Schema.Codec<Schema.Json>, Unsupported> =>
  Result.map(toDocument(document), (document) => {
    const decode = Validator.make(document)
    // The values of a JSON Schema are JSON on both sides.
    return External.make({ document: Result.succeed(Asked.make(document)), decode }) as unknown as Schema.Codec<
      Schema.Json
    >
  })

const toDocument = (document: unknown): Result.Result<SchemaDocument, Unsupported> =>
  Predicate.isObject(document) && !Array.isArray(document)
    ? Document.make(document)
    : Result.fail({ path: "$", description: "it is not a JSON Schema document, which is a JSON object" })
