/**
 * How good an extraction is on a gold set: per field, per item and as a whole, with intervals.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Batch from "../batch/Batch.ts"
import type { BatchError } from "../batch/BatchError.ts"
import * as Compiled from "../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../extraction/Extraction.ts"
import type { Llm } from "../llm/Llm.ts"
import * as Usage from "../llm/Usage.ts"
import * as Comparison from "../quality/Comparison.ts"
import * as Statistics from "./internal/statistics.ts"

/**
 * An input with the value that it should give.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gold<out A, out Input> {
  readonly input: Input
  readonly expected: A
  readonly id?: string | undefined
}

/**
 * How leaves are compared. By default texts are the same if they differ only in case, spaces, quotes, dashes and
 * punctuation around them, numbers if their values are the same, and dates if they are the same day.
 *
 * @category models
 * @since 0.1.0
 */
export interface Match {
  /** The least similarity, from 0 to 1, of two texts that count as the same. Off by default. */
  readonly fuzzy?: number | undefined
  /**
   * Comparisons of single fields, by their paths with `[]` for the positions of lists: `lines[].sku`. A comparison that
   * returns `undefined` leaves the leaf to the default.
   */
  readonly fields?: { readonly [field: string]: (actual: Scalar, expected: Scalar) => boolean | undefined } | undefined
  /** Fields that are not compared, with everything in them. */
  readonly ignore?: ReadonlyArray<string> | undefined
}

/**
 * A leaf of an answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Scalar = string | number | boolean | null

/**
 * Counts of leaves, and what follows from them. Nulls and empty texts are not counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Score {
  /** Leaves that are the same. */
  readonly correct: number
  /** Leaves of the answers. */
  readonly actual: number
  /** Leaves of the gold. */
  readonly expected: number
  /** The share of the leaves of the answers that are the same. 1 if there are none. */
  readonly precision: number
  /** The share of the leaves of the gold that were found. 1 if there are none. */
  readonly recall: number
  /** The harmonic mean of both. 1 if neither has leaves. */
  readonly f1: number
}

/**
 * The score of one item.
 *
 * @category models
 * @since 0.1.0
 */
export interface ItemScore extends Score {
  readonly index: number
  readonly id: string | undefined
  /** Whether every leaf is the same. */
  readonly exact: boolean
  /** The reason of the failure, if there is no value. A failed item has an F1 of 0. */
  readonly failure: string | undefined
  /** The leaves that differ. */
  readonly differences: ReadonlyArray<Difference>
}

/**
 * A leaf that is not as expected.
 *
 * @category models
 * @since 0.1.0
 */
export interface Difference {
  readonly path: ReadonlyArray<string | number>
  readonly actual: Scalar | undefined
  readonly expected: Scalar | undefined
}

/**
 * The result of an evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report extends Score {
  readonly items: ReadonlyArray<ItemScore>
  /** The score of each field, by its path with `[]` for the positions of lists. */
  readonly fields: { readonly [field: string]: Score }
  /** The mean F1 of the items. */
  readonly meanF1: number
  /** The 95 % bootstrap interval of `meanF1`. */
  readonly interval: readonly [number, number]
  /** The share of the items of which every leaf is the same. */
  readonly exact: number
  /** How many items failed, by reason. */
  readonly failures: { readonly [reason: string]: number }
  readonly usage: Usage.Usage
  /** The median, and the time that 95 % of the items did not exceed. */
  readonly latency: { readonly p50: Duration.Duration; readonly p95: Duration.Duration }
}

/**
 * An item to be scored: the expected value and the actual one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scored {
  readonly id?: string | undefined
  readonly expected: Schema.Json
  /** `undefined` if there is no value. */
  readonly actual: Schema.Json | undefined
  /** Why there is no value. */
  readonly failure?: string | undefined
  readonly usage?: Usage.Usage | undefined
  readonly latency?: Duration.Duration | undefined
}

/**
 * The options of `run`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly match?: Match | undefined
  /**
   * The number of items in flight.
   *
   * @default Batch.defaultConcurrency
   */
  readonly concurrency?: number | undefined
}

/**
 * Runs an extraction on a gold set and scores it. Rows of lists are paired so that as many leaves as possible are the same.
 * An item that fails counts with all leaves of its gold as missing.
 *
 * **Example** (Two cities, one of them wrong)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Evaluation, Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }) })
 *
 * const program = Evaluation.run(city, [
 *   { input: "I live in Paris", expected: { city: "Paris" } },
 *   { input: "I live in Rome", expected: { city: "Rome" } }
 * ]).pipe(
 *   Effect.map(({ exact, fields }) => [exact, fields["city"]?.f1]),
 *   Effect.provide(MockLlm.layer({ "I live in Paris": { city: "PARIS" }, "I live in Rome": { city: "Milan" } }))
 * )
 *
 * await Effect.runPromise(program) // => [0.5, 0.5]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run: {
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    gold: Iterable<Gold<A, Input>>,
    options?: Options
  ): Effect.Effect<Report, BatchError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    gold: Iterable<Gold<A, PromptInput>>,
    options?: Options
  ): Effect.Effect<Report, BatchError, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  gold: Iterable<Gold<A, Input>>,
  options: Options = {}
): Effect.Effect<Report, BatchError, Llm | R> =>
  Effect.suspend(() => {
    const extraction = Compiled.resolve<A, Input, R, unknown>(self)
    const items = Array.from(gold)
    const toJson = encoder(extraction)
    const scored: Array<Scored> = items.map(({ expected, id }) => ({
      id,
      expected: toJson(expected),
      actual: undefined
    }))
    return Batch.stream(extraction, items.map(({ input }) => input), { concurrency: options.concurrency }).pipe(
      Stream.runForEach(({ index, latency, result, usage }) =>
        Effect.sync(() => {
          scored[index] = {
            ...scored[index]!,
            usage,
            latency,
            ...(Result.isSuccess(result)
              ? { actual: toJson(result.success) }
              : { failure: result.failure.reason._tag })
          }
        })
      ),
      Effect.map(() => score(scored, options.match))
    )
  })

/** Values as JSON. What has no JSON form is compared as it is. */
const encoder = <A, Input, R>(extraction: Extraction<A, Input, R>): (value: unknown) => Schema.Json => {
  const encode = Result.try(() =>
    Schema.encodeUnknownResult(Schema.toCodecJson(Schema.toType(Schema.make<Schema.Top>(extraction.schema.ast))))
  )
  return (value) => {
    const encoded = Result.isSuccess(encode) ? Result.getOrUndefined(encode.success(value)) : undefined
    return (encoded ?? value ?? null) as Schema.Json
  }
}

/**
 * Scores values that are there already: the output of a run, or stored answers.
 *
 * @category running
 * @since 0.1.0
 */
export const score = (items: Iterable<Scored>, match: Match = {}): Report => {
  const fields = new Map<string, Counts>()
  const all: Counts = { correct: 0, actual: 0, expected: 0 }
  const scored = Array.from(items)
  const itemScores = scored.map((item, index) => scoreItem(item, index, match, fields))
  for (const item of itemScores) add(all, item)
  const failures: Record<string, number> = {}
  for (const { failure } of itemScores) if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1
  const latencies = scored.flatMap(({ latency }) => latency === undefined ? [] : [Duration.toMillis(latency)])
    .toSorted((a, b) => a - b)
  const meanF1 = (some: ReadonlyArray<ItemScore>): number => Statistics.mean(some.map(({ f1 }) => f1))
  return {
    ...toScore(all),
    items: itemScores,
    fields: Object.fromEntries(Array.from(fields, ([field, counts]) => [field, toScore(counts)])),
    meanF1: meanF1(itemScores),
    interval: Statistics.interval(itemScores, meanF1, bootstrapRounds),
    exact: Statistics.mean(itemScores.map(({ exact }) => Number(exact))),
    failures,
    usage: scored.reduce((sum, { usage }) => usage === undefined ? sum : Usage.add(sum, usage), Usage.zero),
    latency: {
      p50: Duration.millis(Statistics.quantile(latencies, 0.5)),
      p95: Duration.millis(Statistics.quantile(latencies, 0.95))
    }
  }
}

const bootstrapRounds = 1000

interface Counts {
  correct: number
  actual: number
  expected: number
}

const add = (sum: Counts, { actual, correct, expected }: Counts): void => {
  sum.correct += correct
  sum.actual += actual
  sum.expected += expected
}

const toScore = ({ actual, correct, expected }: Counts): Score => ({
  correct,
  actual,
  expected,
  precision: actual === 0 ? 1 : correct / actual,
  recall: expected === 0 ? 1 : correct / expected,
  f1: actual + expected === 0 ? 1 : 2 * correct / (actual + expected)
})

const scoreItem = (
  { actual, expected, failure, id }: Scored,
  index: number,
  match: Match,
  fields: Map<string, Counts>
): ItemScore => {
  const counts: Counts = { correct: 0, actual: 0, expected: 0 }
  const differences: Array<Difference> = []
  const isIgnored = (path: ReadonlyArray<string | number>): boolean =>
    match.ignore?.some((field) => Comparison.isIn(path, field)) ?? false
  for (const { a, b, field, isSame, path } of Comparison.compare(actual ?? null, expected, toOptions(match))) {
    if (isIgnored(path)) continue
    const one = { correct: Number(isSame), actual: Number(a !== undefined), expected: Number(b !== undefined) }
    add(counts, one)
    const known = fields.get(field)
    if (known === undefined) fields.set(field, { ...one })
    else add(known, one)
    if (!isSame) differences.push({ path, actual: a, expected: b })
  }
  const isFailed = actual === undefined
  const total = toScore(counts)
  return {
    ...total,
    ...(isFailed && { f1: 0 }),
    index,
    id,
    exact: !isFailed && differences.length === 0,
    failure: isFailed ? failure ?? "Missing" : undefined,
    differences
  }
}

const toOptions = ({ fields, fuzzy }: Match): Comparison.Options => ({
  fuzzy,
  isSame: fields === undefined
    ? undefined
    : (a, b, field) => Object.hasOwn(fields, field) ? fields[field]!(a, b) : undefined
})

/**
 * The difference of two evaluations of the same items.
 *
 * @category models
 * @since 0.1.0
 */
export interface PairedDifference {
  /** The mean F1 of the first less that of the second. */
  readonly difference: number
  /** Its 95 % bootstrap interval. */
  readonly interval: readonly [number, number]
  /** The probability of a difference at least as large between two that are equally good, by a paired permutation test. */
  readonly p: number
  /** The number of items that both have. */
  readonly items: number
  readonly better: number
  readonly worse: number
}

/**
 * Compares two evaluations item by item: by their ids, or by their positions where they have none. Use it to decide between
 * two models, prompts or schemas on the same gold set.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compare = (self: Report, that: Report): PairedDifference => {
  const keyOf = ({ id, index }: ItemScore): string => id === undefined ? `#${index}` : `id ${id}`
  const others = new Map(that.items.map((item) => [keyOf(item), item]))
  const differences = self.items.flatMap((item) => {
    const other = others.get(keyOf(item))
    return other === undefined ? [] : [item.f1 - other.f1]
  })
  return {
    difference: Statistics.mean(differences),
    interval: Statistics.interval(differences, Statistics.mean, bootstrapRounds),
    p: Statistics.signFlipTest(differences, permutationRounds),
    items: differences.length,
    better: differences.filter((difference) => difference > 0).length,
    worse: differences.filter((difference) => difference < 0).length
  }
}

const permutationRounds = 2000
