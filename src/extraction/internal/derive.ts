/** Extractions that are made of others. */
import type * as Schema from "effect/Schema"
import { type Derivation, type Extraction, make } from "./definition.ts"

/** Makes an extraction with the name of another and the schema of its own values. */
export const derive = <A, Input, R, Encoded>(
  self: { readonly name: string; readonly schema: Schema.ConstraintCodec<A, Encoded, R, unknown> },
  derivation: Derivation<A, Input, R>
): Extraction<A, Input, R, Encoded> =>
  make<A, R, Input, Encoded>(
    {
      // Options that a derivation does not have are those of its parts.
      ...derivation.base,
      name: self.name,
      schema: self.schema,
      timeout: undefined,
      source: undefined,
      checks: [],
      derivation
    } as Parameters<typeof make<A, R, Input, Encoded>>[0]
  )
