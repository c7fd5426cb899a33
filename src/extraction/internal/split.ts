/** Wide values in several requests. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Compiled from "../Compiled.ts"
import { InvalidInput } from "../ExtractionError.ts"
import { isExtractionOrSchema } from "./check.ts"
import { type Extraction, make, type PromptInput, resolve } from "./definition.ts"
import { derive } from "./derive.ts"
import type { Detailed } from "./detailed.ts"
import { notSent } from "./failure.ts"
import * as Parts from "./parts.ts"
import { fieldNames, pick } from "./partSchema.ts"

/**
 * Asks for groups of fields in requests of their own, and joins them. Use it for schemas that are too wide for one answer:
 * models answer several hundred fields at once rarely in a valid way. The fields are named; those in no group are the last
 * one. All requests begin alike, for the prompt cache of the provider.
 *
 * The joined value is decoded by the whole schema with its checks. If one group fails, the extraction does.
 *
 * **Example** (Two groups)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int, city: Schema.String })
 * const person = Extraction.split(Extraction.make({ schema: Person }), [["name", "age"]])
 *
 * const program = Extraction.extract(person, "Ada, 36, of London").pipe(
 *   Effect.provide(MockLlm.layer([{ name: "Ada", age: 36 }, { city: "London" }]))
 * )
 *
 * await Effect.runPromise(program) // => { name: "Ada", age: 36, city: "London" }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const split: {
  (groups: ReadonlyArray<ReadonlyArray<string>>): <A, Input, R>(
    self: Extraction<A, Input, R>
  ) => Extraction<A, Input, R>
  <A, Input, R>(self: Extraction<A, Input, R>, groups: ReadonlyArray<ReadonlyArray<string>>): Extraction<A, Input, R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    groups: ReadonlyArray<ReadonlyArray<string>>
  ): Extraction<A, PromptInput, R>
} = dual(
  (args) => isExtractionOrSchema(args[0]),
  <A, Input, R>(
    self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
    groups: ReadonlyArray<ReadonlyArray<string>>
  ): Extraction<A, Input, R> => ofGroups(resolve<A, Input, R, unknown>(self), groups)
)

const ofGroups = <A, Input, R>(
  self: Extraction<A, Input, R>,
  groups: ReadonlyArray<ReadonlyArray<string>>
): Extraction<A, Input, R> => {
  const parts = partsOf(self, groups)
  return derive<A, Input, R, unknown>({ name: self.name, schema: self.schema }, {
    base: self,
    key: `split ${JSON.stringify(groups)}`,
    map: (change) => ofGroups(change(self), groups),
    run: ({ input, llm }) =>
      typeof parts === "string"
        ? Effect.fail(notSent(self.name, new InvalidInput({ description: parts })))
        : Effect.flatMap(
          Effect.forEach(parts, (part) => Effect.result(Compiled.extract(part, llm, input)), {
            concurrency: "unbounded"
          }),
          (outcomes) => join(self, parts, outcomes, () => Compiled.sourceOf(self, input))
        )
  })
}

const partsOf = <A, Input, R>(
  self: Extraction<A, Input, R>,
  groups: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<Extraction<unknown, Input, R>> | string => {
  const names = fieldNames(self.schema)
  if (names === undefined || self.derivation !== undefined) {
    return "Extraction.split needs an extraction of an object with fields, before other combinators"
  }
  const unknown = groups.flat().find((name) => !names.includes(name))
  if (unknown !== undefined) return `Extraction.split: there is no field ${JSON.stringify(unknown)}`
  const grouped = new Set(groups.flat())
  const rest = names.filter((name) => !grouped.has(name))
  return [...groups, rest].filter((group) => group.length > 0).map((group) =>
    make<unknown, R, Input>({
      ...self,
      schema: pick(self.schema, group),
      checks: []
    } as unknown as Extraction<unknown, Input, R>)
  )
}

const join = Effect.fnUntraced(function*<A, Input, R>(
  self: Extraction<A, Input, R>,
  parts: ReadonlyArray<Extraction<unknown, Input, R>>,
  outcomes: ReadonlyArray<Parts.Outcome<unknown>>,
  source: () => string
) {
  const sum = Parts.sumOf(outcomes)
  const json: Record<string, Schema.Json> = {}
  let last: Detailed<unknown> | undefined
  for (const [i, outcome] of outcomes.entries()) {
    if (Result.isFailure(outcome)) return yield* Parts.failed(self.name, outcome.failure, sum)
    last = outcome.success
    Object.assign(json, Compiled.jsonOf(parts[i]!, last.answer))
  }
  const decoded = yield* Effect.mapError(
    Parts.decode(self, json, source),
    (error) => Parts.failed(self.name, error, sum)
  )
  if (Result.isFailure(decoded)) return yield* Parts.invalid(self.name, json, decoded.failure, sum)
  const coercions = outcomes.flatMap((outcome) => Result.isSuccess(outcome) ? outcome.success.coercions : [])
  const detailed: Detailed<A> = {
    ...last!,
    ...sum,
    value: decoded.success,
    answer: json,
    calls: outcomes.length,
    coercions
  }
  return detailed
})
