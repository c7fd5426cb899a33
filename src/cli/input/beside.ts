/** What other files know about the items of a run: gold values, texts, latencies. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { ReportEntry } from "../../batch/BatchReport.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

import * as InputSource from "./inputSource.ts"
import * as JsonLines from "./jsonLines.ts"
import { keyOf } from "./results.ts"
import type { Fields } from "./row.ts"

export interface Gold {
  readonly byKey: ReadonlyMap<string, Schema.Json>
  readonly byText: ReadonlyMap<string, Schema.Json>
}

/** Lines with a `value` (or `expected`, `gold` or `label`) and an `id`, a `text` or an `index`. */
export const readGold = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Gold, CommandFailure, FileSystem.FileSystem> {
  const byKey = new Map<string, Schema.Json>()
  const byText = new Map<string, Schema.Json>()
  yield* Stream.runForEach(JsonLines.read(path), ({ line, value: fields }) => {
    const name = ["value", "expected", "gold", "label"].find((name) => Object.hasOwn(fields, name))
    if (name === undefined) return usage(`Line ${line} of ${path} has no field "value" with the expected value`)
    // It was parsed as JSON.
    const value = fields[name] as Schema.Json
    if (fields["id"] === undefined && fields["index"] === undefined) {
      const text = fields["text"] ?? fields["input"]
      if (!Predicate.isString(text)) {
        return usage(`Line ${line} of ${path} has neither an "id" nor a "text" that names its item`)
      }
      byText.set(text, value)
    } else {
      byKey.set(keyOf(fields), value)
    }
    return Effect.void
  })
  return { byKey, byText }
})

/** The text of an item in an input. */
export type Texts = (entry: ReportEntry) => string | undefined

export interface TextOptions {
  readonly input: string | undefined
  readonly textField: string | undefined
  readonly idField: string | undefined
}

/** The texts of the input, if there is one: found by id if the input has ids, otherwise by position. */
export const readTexts = (
  { idField, input, textField }: TextOptions
): Effect.Effect<Texts | undefined, CommandFailure, FileSystem.FileSystem | Stdio.Stdio> =>
  input === undefined ? Effect.undefined : Effect.scoped(texts(input, { text: textField, id: idField }))

const texts = Effect.fnUntraced(function*(
  path: string,
  fields: Fields
): Effect.fn.Return<Texts, CommandFailure, FileSystem.FileSystem | Stdio.Stdio | Scope.Scope> {
  const input = yield* InputSource.open({ path, fields, limit: undefined })
  const texts = new Map<string, string>()
  let index = 0
  yield* Stream.runForEach(input.rows, (row) =>
    Effect.sync(() => {
      if (row._tag === "Text") texts.set(row.id ?? String(index), row.text)
      index++
    }))
  return (entry) => texts.get(input.hasIds ? keyOf(entry) : String(entry.index))
})

/** The text that a result carries, or that the input has for it. */
export const textOf = (entry: ReportEntry, texts: Texts | undefined): string | undefined => entry.text ?? texts?.(entry)

export interface Timing {
  readonly latencyMillis: number | undefined
  readonly finishedAt: number | undefined
}

/** Latencies and times from the journal of a run, if it is there. A damaged line is left out: the journal is not needed. */
export const readTimings = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<ReadonlyMap<string, Timing>, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const timings = new Map<string, Timing>()
  if (!(yield* Effect.orElseSucceed(fs.exists(path), () => false))) return timings
  yield* JsonLines.read(path).pipe(
    Stream.runForEach(({ value }) =>
      Effect.sync(() => {
        const { at, latencyMillis } = value
        if (value["status"] === undefined) return
        timings.set(keyOf(value), {
          latencyMillis: Predicate.isNumber(latencyMillis) ? latencyMillis : undefined,
          finishedAt: Predicate.isNumber(at) ? at : undefined
        })
      })
    ),
    Effect.ignore
  )
  return timings
})
