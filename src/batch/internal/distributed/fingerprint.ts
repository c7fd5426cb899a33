/** The identity of an extraction across processes: everything but its prompt, which the feeding process applies. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Compiled from "../../../extraction/Compiled.ts"
import type { Extraction } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import { canonicalJson } from "../../../internal/canonicalJson.ts"
import * as Digest from "../../../internal/digest.ts"

/** Changes when a worker of another version would work differently. */
const version = 1

/** 32 hexadecimal digits that are equal for extractions that ask in the same way. */
export const make = <A, Input, R>(extraction: Extraction<A, Input, R>): Effect.Effect<string, ExtractionError> =>
  Effect.flatMap(Effect.fromResult(Compiled.response(extraction)), ({ jsonSchema }) => {
    const {
      checks,
      coerce,
      derivation,
      description,
      instructions,
      maxAttempts,
      maxContinuations,
      mode,
      model,
      name,
      parameters,
      patch,
      tables,
      timeout
    } = extraction
    return Effect.map(
      Digest.sha256(canonicalJson({
        version,
        name,
        description,
        instructions,
        mode,
        model,
        maxAttempts,
        maxContinuations: maxContinuations === 0 ? undefined : maxContinuations,
        coerce,
        patch: patch ? true : undefined,
        tables: tables ? true : undefined,
        parameters,
        checks: checks.length,
        derivation: derivation?.key,
        timeout: timeout === undefined ? undefined : Duration.toMillis(timeout),
        jsonSchema
      })),
      (digest) => digest.slice(0, 32)
    )
  })
