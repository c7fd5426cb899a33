/** Variants of an extraction. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import { InvalidInput } from "../ExtractionError.ts"
import { type Extraction, make, type Overrides } from "./definition.ts"
import { derive } from "./derive.ts"
import { notSent } from "./failure.ts"

const with_: {
  (overrides: Overrides): <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>
  ) => Extraction<A, Input, R, Encoded>
  <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>,
    overrides: Overrides
  ): Extraction<A, Input, R, Encoded>
} = dual(2, <A, Input, R, Encoded>(
  self: Extraction<A, Input, R, Encoded>,
  overrides: Overrides
): Extraction<A, Input, R, Encoded> => {
  if (self.derivation !== undefined) {
    return self.derivation.map((part) => with_(part, overrides)) as Extraction<A, Input, R, Encoded>
  }
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined)
  return make({ ...self, ...Object.fromEntries(given) as Overrides })
})

export {
  /**
   * Changes options of an extraction. Use it for variants that share a schema and a prompt. Options that are `undefined`
   * are left as they are. An extraction that is made of others gives them to all of its parts.
   *
   * **Example** (The same extraction on a larger model)
   *
   * ```ts
   * import { Schema } from "effect"
   * import { Extraction } from "effect-instructor"
   *
   * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }), maxAttempts: 1 })
   * const careful = Extraction.with(city, { model: "large" })
   *
   * careful.model // => "large"
   * careful.maxAttempts // => 1
   * ```
   *
   * @category combinators
   * @since 0.1.0
   */
  with_ as with
}

/**
 * Adapts an extraction to another type of input. Use it to extract from rows, documents or messages of your own. To
 * reject an input, return a failed `Result` with a description: the extraction then fails with `InvalidInput`.
 *
 * **Example** (Extracting from rows)
 *
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }) })
 * const ofRow = Extraction.mapInput(city, (row: { readonly bio: string }) =>
 *   row.bio === "" ? Result.fail("The bio is empty") : row.bio
 * )
 *
 * const program = Extraction.extract(ofRow, { bio: "" }).pipe(
 *   Effect.catchReason("ExtractionError", "InvalidInput", ({ description }) => Effect.succeed(description)),
 *   Effect.provide(MockLlm.layer([]))
 * )
 *
 * await Effect.runPromise(program) // => "The bio is empty"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const mapInput: {
  <Input, Input2>(f: (input: Input2) => Input | Result.Result<Input, string>): <A, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>
  ) => Extraction<A, Input2, R, Encoded>
  <A, Input, R, Encoded, Input2>(
    self: Extraction<A, Input, R, Encoded>,
    f: (input: Input2) => Input | Result.Result<Input, string>
  ): Extraction<A, Input2, R, Encoded>
} = dual(2, <A, Input, R, Encoded, Input2>(
  self: Extraction<A, Input, R, Encoded>,
  f: (input: Input2) => Input | Result.Result<Input, string>
): Extraction<A, Input2, R, Encoded> => {
  if (self.derivation !== undefined) return mapDerived(self, f)
  return make<A, R, Input2, Encoded>(
    {
      ...self,
      source: (input: Input2) => mappedSource(self, f(input)),
      prompt: (input) => {
        const mapped = f(input)
        if (!Result.isResult(mapped)) return self.prompt(mapped)
        return Result.isFailure(mapped) ? Result.fail(mapped.failure) : self.prompt(mapped.success)
      }
    } as Parameters<typeof make<A, R, Input2, Encoded>>[0]
  )
})

type Mapped<Input> = Input | Result.Result<Input, string>

const mappedSource = <A, Input, R, Encoded>(
  self: Extraction<A, Input, R, Encoded>,
  mapped: Mapped<Input>
): string | undefined => {
  if (Result.isResult(mapped)) return Result.isFailure(mapped) ? undefined : mappedSource(self, mapped.success)
  return self.source?.(mapped) ?? (typeof mapped === "string" ? mapped : undefined)
}

const mapDerived = <A, Input, R, Encoded, Input2>(
  self: Extraction<A, Input, R, Encoded>,
  f: (input: Input2) => Mapped<Input>
): Extraction<A, Input2, R, Encoded> => {
  const derivation = self.derivation!
  return derive(self, {
    base: mapInput(derivation.base, f),
    key: derivation.key,
    map: (change) => mapInput(derivation.map(change), f),
    run: ({ input, llm, request }) => {
      const mapped = f(input)
      if (!Result.isResult(mapped)) return derivation.run({ llm, request, input: mapped })
      return Result.isFailure(mapped)
        ? Effect.fail(notSent(self.name, new InvalidInput({ description: mapped.failure })))
        : derivation.run({ llm, request, input: mapped.success })
    }
  })
}
