/** Reads JSON of unknown shape. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as ExactNumber from "../../../internal/exactNumber.ts"

export type Node = { readonly [key: string]: unknown }

export const object = (value: unknown): Node | undefined =>
  Predicate.isObject(value) && !Array.isArray(value) ? value : undefined

export const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

export const objects = (value: unknown): ReadonlyArray<Node> =>
  list(value).flatMap((item) => {
    const node = object(item)
    return node === undefined ? [] : [node]
  })

export const string = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

export const number = (value: unknown): number | undefined => Predicate.isNumber(value) ? value : undefined

/** Keeps the digits of an answer's numbers, so that clients are tested with what a model may write. */
export const parse = (text: string): unknown =>
  Result.getOrUndefined(Result.try((): unknown => ExactNumber.parseKeepingDigits(text)))

/** Splits a text into pieces, without cutting a surrogate pair: JSON cannot contain half of one. */
export const split = (text: string, size: number): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (let at = 0; at < text.length;) {
    let end = at + size
    if (/[\uD800-\uDBFF]/.test(text[end - 1] ?? "")) end++
    out.push(text.slice(at, end))
    at = end
  }
  return out
}
