/**
 * Skips parsing most events of a stream. Successive events usually differ only in their piece of the answer, and parsing
 * them is most of the cost of a stream. Once an event has been parsed, the next one with the same characters around its
 * piece has the same meaning.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** A piece of an answer: of its text, or of the arguments of a call. */
export interface Piece {
  readonly call: number | undefined
  readonly delta: string
}

export interface Template {
  /** The piece of an event that equals the last one learned in everything else. */
  readonly match: (event: string) => Piece | undefined
  /** Learns an event from its text and its parsed data. Call it for every event that did not match. */
  readonly learn: (event: string, data: unknown) => void
}

/** The surplus of misses after which learning stops, for servers whose events all differ, by random padding for example. */
const patience = 16

export const make = (): Template => {
  let known: { readonly before: string; readonly after: string; readonly call: number | undefined } | undefined
  let hits = 0
  let misses = 0

  return {
    match: (event) => {
      if (known === undefined) return undefined
      const { after, before, call } = known
      const length = event.length - before.length - after.length
      if (length < 2 || !event.startsWith(before) || !event.endsWith(after)) return undefined
      const delta = stringOf(event.slice(before.length, before.length + length))
      if (delta === undefined) return undefined
      hits++
      return { call, delta }
    },
    learn: (event, data) => {
      known = undefined
      const piece = pieceOf(data)
      if (piece === undefined || misses > hits + patience) return
      misses++
      const literal = JSON.stringify(piece.delta)
      const at = event.lastIndexOf(literal)
      if (at === -1) return
      const before = event.slice(0, at)
      const after = event.slice(at + literal.length)
      // The same literal may occur in another field. A probe in its place must be parsed as the piece.
      const probe = Result.getOrUndefined(Result.try((): unknown => JSON.parse(`${before}"${probed}"${after}`)))
      if (pieceOf(probe)?.delta === probed) known = { before, after, call: piece.call }
    }
  }
}

const probed = "~effect-instructor"

/** The value of a text that is one JSON string from its first to its last character. */
const stringOf = (text: string): string | undefined => {
  if (text[0] !== "\"" || text[text.length - 1] !== "\"") return undefined
  const inside = text.slice(1, -1)
  // oxlint-disable-next-line eslint/no-control-regex
  if (!/["\\\u0000-\u001F]/.test(inside)) return inside
  const value = Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))
  return Predicate.isString(value) ? value : undefined
}

/** The piece of an event that contains nothing else that accumulates, such as a refusal or the start of a call. */
const pieceOf = (data: unknown): Piece | undefined => {
  const choices = Predicate.isObject(data) ? data["choices"] : undefined
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
  const delta = Predicate.isObject(choice) ? choice["delta"] : undefined
  if (!Predicate.isObject(delta) || Predicate.isString(delta["refusal"])) return undefined
  const content = delta["content"]
  const calls = delta["tool_calls"]
  if (!Array.isArray(calls)) return Predicate.isString(content) ? { call: undefined, delta: content } : undefined
  const call: unknown = calls[0]
  if (calls.length !== 1 || Predicate.isNotNullish(content) || !Predicate.isObject(call)) return undefined
  const { function: fn, id, index } = call
  if (!Predicate.isObject(fn) || Predicate.isString(fn["name"]) || Predicate.isString(id)) return undefined
  const args = fn["arguments"]
  return Predicate.isString(args) && Predicate.isNumber(index) ? { call: index, delta: args } : undefined
}
