/** Reads JSON of unknown shape: what is missing or of another type is `undefined`, and never guessed. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as ExactNumber from "../../internal/exactNumber.ts"

export type Node = { readonly [key: string]: unknown }

/** Keeps the digits of numbers in the arguments of a tool call, which are written as JSON again. */
export const parse = (text: string): Result.Result<unknown, unknown> =>
  Result.try((): unknown => ExactNumber.parseKeepingDigits(text))

export const object = (value: unknown): Node | undefined =>
  Predicate.isObject(value) && !Array.isArray(value) ? value : undefined

export const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** The objects in a list. */
export const objects = (value: unknown): ReadonlyArray<Node> =>
  list(value).flatMap((item) => {
    const node = object(item)
    return node === undefined ? [] : [node]
  })

export const string = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

/** A text with something in it. */
export const text = (value: unknown): string | undefined =>
  Predicate.isString(value) && value !== "" ? value : undefined

/** More tokens than this are no usage of one request, and sums of them could exceed the safe integers. */
const maxTokens = 1_000_000_000

export const isTokens = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maxTokens

/** A number of tokens, or 0. */
export const tokens = (value: unknown): number => isTokens(value) ? value : 0

/** The JSON object in a text, or one that holds the text. Some APIs accept nothing but objects as arguments. */
export const argumentsObject = (text: string): Node => {
  const parsed = Result.getOrUndefined(parse(text))
  return object(parsed) ?? (text.trim() === "" ? {} : { invalid: parsed ?? text })
}

/** The bytes of a `data:` URL as Base64. */
export const base64Of = (url: string): string | undefined => /^data:[^,]*;base64,(.*)$/s.exec(url)?.[1]

/** A message from a server, at a length that can be shown. */
export const shorten = (message: string): string =>
  message.length > 500 ? `${message.slice(0, 500)}… (${message.length} characters)` : message

/** The data that a provider of this name has added to a message or a call. Another provider's would be refused. */
export const ownData = (data: unknown, provider: string): Node | undefined => object(object(data)?.[provider])

/** A base URL without the version of the API, with or without which it is often written. */
export const rootOf = (baseUrl: string): string => baseUrl.replace(/\/+$/, "").replace(/\/v1(?:beta)?$/, "")
