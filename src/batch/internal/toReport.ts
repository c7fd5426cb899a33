/** A report of the items of a batch. `Batch` exports it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Stream from "effect/Stream"
import * as BatchReport from "../BatchReport.ts"
import type { Item } from "./item.ts"

/**
 * The report of a batch as one HTML file: counts, failures by reason, charts over time, the distribution of the values, a
 * table of all items, and a review mode that writes a gold file. Write it with `FileSystem.writeFileString`. With a stream
 * of items the charts run over the time at which the items arrived.
 *
 * Values are shown as `JSON.stringify` writes them, and never as markup; the file sends no request.
 *
 * **Example** (Writing a report)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada", "I am Alan"]).pipe(
 *   Batch.report({ title: "People" }),
 *   Effect.map((html) => html.includes("<title>People</title>")),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "I am Alan": { name: "Alan" } }))
 * )
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category rendering
 * @since 0.1.0
 */
export const report: {
  <In>(
    options?: BatchReport.ItemOptions<In>
  ): <A, E = never, R = never>(items: Items<A, In, E, R>) => Effect.Effect<string, E, R>
  <A, In, E = never, R = never>(
    items: Items<A, In, E, R>,
    options?: BatchReport.ItemOptions<In>
  ): Effect.Effect<string, E, R>
} = dual(
  (args) => isItems(args[0]),
  <A, In, E, R>(items: Items<A, In, E, R>, options?: BatchReport.ItemOptions<In>): Effect.Effect<string, E, R> => {
    const entries = Stream.isStream(items)
      ? Stream.mapEffect(
        items,
        (item) =>
          Effect.map(Clock.currentTimeMillis, (finishedAt) => ({ ...BatchReport.fromItem(item, options), finishedAt }))
      )
      : Stream.map(Stream.fromIterable(items), (item) => BatchReport.fromItem(item, options))
    return Stream.mkString(BatchReport.html(entries, options))
  }
)

type Items<A, In, E, R> = Stream.Stream<Item<A, In>, E, R> | Iterable<Item<A, In>>

const isItems = (value: unknown): boolean =>
  Stream.isStream(value) || typeof value === "object" && value !== null && Symbol.iterator in value
