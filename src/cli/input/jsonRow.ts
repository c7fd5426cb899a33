/** A row in a JSON value. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { defaultTextField, type Fields, listed, type Row, unusable, usable } from "./row.ts"

/** `where` is a line or an item with its number, at the beginning of a sentence. */
export const readJson = (json: string, where: string, fields: Fields): Row => {
  const parsed = Result.try((): unknown => JSON.parse(json))
  if (Result.isFailure(parsed)) return unusable(`${where} is not JSON: ${String(parsed.failure)}`)
  const value = parsed.success
  const place = where.toLowerCase()
  if (Predicate.isString(value) && fields.id === undefined) return usable(value, undefined, place)
  if (!Predicate.isObject(value)) {
    return unusable(`${where} is neither a JSON object nor a JSON string`)
  }
  const textField = fields.text ?? defaultTextField
  const text = ownField(value, textField)
  if (!Predicate.isString(text)) {
    const what = text === undefined ? "has no field" : "has something other than a string in its field"
    return unusable(`${where} ${what} ${JSON.stringify(textField)}. Its fields are ${listed(Object.keys(value))}`)
  }
  if (fields.id === undefined) return usable(text, undefined, place)
  const id = ownField(value, fields.id)
  return Predicate.isString(id) && id !== ""
    ? usable(text, id, place)
    : Predicate.isNumber(id)
    ? usable(text, numberAsWritten(json, fields.id, id), place)
    : unusable(`${where} has no string or number in its field ${JSON.stringify(fields.id)}`)
}

const ownField = (value: object, field: string): unknown =>
  Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined

/** More digits than a double holds, or an exponent, which may be of a number that it does not hold. */
const mayBeRounded = /\d[\d.]{15}|\d[eE]/

interface ReviverContext {
  readonly source?: string
}

/** Two ids of 17 digits would become one as numbers, so such a number is taken as its digits. */
const numberAsWritten = (json: string, field: string, id: number): string => {
  if (!mayBeRounded.test(json)) return String(id)
  const sources = new WeakMap<object, string>()
  const root: unknown = JSON.parse(json, function(this: object, key, value: unknown, ...rest: Array<unknown>) {
    const source = (rest[0] as ReviverContext | undefined)?.source
    if (key === field && source !== undefined) sources.set(this, source)
    return value
  })
  const source = Predicate.isObject(root) ? sources.get(root) : undefined
  return source !== undefined && mayBeRounded.test(source) ? source : String(id)
}
