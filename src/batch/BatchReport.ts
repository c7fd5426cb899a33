/**
 * The report of a batch: one HTML file with its figures, charts, values and items. It needs no other file and no server.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as AnswerIssue from "../answer/AnswerIssue.ts"
import type { ExtractionError } from "../extraction/ExtractionError.ts"
import type { Item } from "./internal/item.ts"
import type { Options, ReportEntry } from "./internal/report/entry.ts"
import * as Html from "./internal/report/html.ts"
import * as Live from "./internal/report/live.ts"
import * as PlainJson from "./internal/report/plainJson.ts"
import * as UpperBound from "./internal/report/upperBound.ts"

export type {
  /** @since 0.1.0 */
  Options,
  /** @since 0.1.0 */
  ReportEntry
} from "./internal/report/entry.ts"
export type {
  /** @since 0.1.0 */
  LiveFigures,
  /** @since 0.1.0 */
  LiveOptions,
  /** @since 0.1.0 */
  LiveReport
} from "./internal/report/live.ts"

/**
 * Options of `fromItem` and `Batch.report`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ItemOptions<in In> extends Options {
  /** The text of an input. The default is the input if it is a string, otherwise the input as JSON. */
  readonly text?: ((input: In) => string) | undefined
  /** The value of an item as JSON, for values that `JSON.stringify` does not show well. */
  readonly encode?: ((value: never) => Schema.Json) | undefined
}

/**
 * An item of a batch as the entry of a report. Use it with `html` to add provenance or gold values to items.
 *
 * **Example** (The entries of a batch)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, BatchReport } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada"]).pipe(
 *   Stream.map((item) => BatchReport.fromItem(item)),
 *   Stream.runCollect,
 *   Effect.map(([entry]) => entry?.value),
 *   Effect.provide(MockLlm.layer(() => ({ name: "Ada" })))
 * )
 *
 * await Effect.runPromise(program) // => { name: "Ada" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromItem = <In>(item: Item<unknown, In>, options?: ItemOptions<In>): ReportEntry => {
  const { attempts, id, index, input, latency, restored, result, usage } = item
  return {
    index,
    id,
    text: textOf(input, options),
    ...(Result.isSuccess(result)
      ? { value: valueOf(result.success, options) }
      : { error: errorOf(result.failure) }),
    attempts,
    usage,
    latencyMillis: Duration.toMillis(latency),
    restored
  }
}

const textOf = <In>(input: In, options: ItemOptions<In> | undefined): string | undefined => {
  if (options?.text !== undefined) {
    const text = Result.try(() => options.text!(input))
    return Result.isSuccess(text) ? text.success : undefined
  }
  if (Predicate.isString(input)) return input
  return Predicate.hasProperty(input, "text") && Predicate.isString(input.text)
    ? input.text
    : JSON.stringify(PlainJson.from(input))
}

const valueOf = (value: unknown, options: ItemOptions<never> | undefined): Schema.Json => {
  const encoded = options?.encode === undefined ? undefined : Result.try(() => options.encode!(value as never))
  return PlainJson.from(encoded !== undefined && Result.isSuccess(encoded) ? encoded.success : value)
}

const errorOf = ({ reason }: ExtractionError): NonNullable<ReportEntry["error"]> => ({
  reason: reason._tag,
  message: reason.message,
  ...(reason._tag === "InvalidOutput" && { issues: reason.issues.map(AnswerIssue.format) })
})

/**
 * A report as HTML, part by part, in constant memory. Use it for entries from a file, or for more items than fit in
 * memory; otherwise use `Batch.report`.
 *
 * **Example** (A report of two entries)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { BatchReport, Usage } from "effect-instructor"
 *
 * const entries = Stream.make(
 *   { index: 0, text: "I am Ada", value: { name: "Ada" }, attempts: 1, usage: Usage.zero },
 *   { index: 1, error: { reason: "Refused", message: "No." }, attempts: 1, usage: Usage.zero }
 * )
 *
 * const program = BatchReport.html(entries, { title: "People" }).pipe(
 *   Stream.mkString,
 *   Effect.map((html) => html.startsWith("<!doctype html>"))
 * )
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category rendering
 * @since 0.1.0
 */
export const html = <E = never, R = never>(
  entries: Stream.Stream<ReportEntry, E, R>,
  options?: Options
): Stream.Stream<string, E, R> => Html.render(entries, { title: options?.title, figures: options?.figures })

/**
 * The report of a run that goes on. Serve its page from a server of your own; the page asks for the items that it does not
 * have every second. The items are kept in memory, up to a limit. The command has it as `run --serve`.
 *
 * **Example** (What a page gets)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BatchReport, Usage } from "effect-instructor"
 *
 * const report = BatchReport.live({ title: "People" })
 * const page = report.page("/items?token=secret")
 *
 * const program = Effect.gen(function*() {
 *   yield* report.add([{ index: 0, text: "I am Ada", value: { name: "Ada" }, attempts: 1, usage: Usage.zero }])
 *   yield* report.end
 *   const answer = JSON.parse(yield* report.answer(0))
 *   return answer.done && answer.rows.length === 1
 * })
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category rendering
 * @since 0.1.0
 */
export const live = (options?: Live.LiveOptions): Live.LiveReport => Live.make(options)

/**
 * What the review of a random sample proves: with the given confidence (default 0.95), at most this share of all values is
 * wrong. The bound is exact (Clopper-Pearson, one-sided), and 1 without a sample.
 *
 * **Example** (Sixty values without an error)
 *
 * ```ts
 * import { BatchReport } from "effect-instructor"
 *
 * const share = BatchReport.upperBound({ sample: 60, errors: 0 })
 * share.toFixed(3) // => "0.049"
 * ```
 *
 * @category statistics
 * @since 0.1.0
 */
export const upperBound = (
  { confidence = 0.95, errors, sample }: {
    readonly sample: number
    readonly errors: number
    readonly confidence?: number | undefined
  }
): number => UpperBound.upperBound(sample, errors, confidence)
