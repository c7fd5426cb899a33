/**
 * Where the values of an answer come from: for each text and number, the span of the source that states it. Nothing is
 * asked of a model.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Dates from "./internal/dates.ts"
import * as Folded from "./internal/folded.ts"
import * as Fuzzy from "./internal/fuzzy.ts"
import * as Numbers from "./internal/numbers.ts"
import { leavesOf, type Path, type Scalar } from "./Leaves.ts"

export type {
  /** @since 0.1.0 */
  Path
} from "./Leaves.ts"

/**
 * The schema of `Span`.
 *
 * **Example** (Where an age is stated)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * Grounding.locate("Ada is 36", 36) // => { start: 7, end: 9, quote: "36", match: "exact" }
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Span = Schema.Struct({
  /** The first UTF-16 code unit in the source. */
  start: Schema.Natural,
  /** The first one after it. */
  end: Schema.Natural,
  /** The source from `start` to `end`. */
  quote: Schema.String,
  match: Schema.Literals(["exact", "normalised", "quoted", "fuzzy"])
})

/**
 * A span of the source: `source.slice(start, end)` is `quote`. Its `match` says how it resembles the value: as the same
 * text (`exact`), as the same after differences of case, spaces, punctuation, hyphenation, and formats of numbers and
 * dates (`normalised`), as the words that the model quotes for it (`quoted`), or as nearly the same (`fuzzy`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Span extends Schema.Schema.Type<typeof Span> {}

/**
 * The schema of `Leaf`.
 *
 * **Example** (A value that the source does not state)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Grounding } from "effect-instructor"
 *
 * Schema.is(Grounding.Leaf)({ path: ["city"], value: "London", span: null }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Leaf = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Natural])),
  value: Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null]),
  /** Where the source states the value, or `null` if no place was found. */
  span: Schema.NullOr(Span)
})

/**
 * A leaf of an answer with its place in the source. Booleans, nulls and empty texts have none: a source does not state
 * them in so many words.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leaf extends Schema.Schema.Type<typeof Leaf> {}

/**
 * Options of `locate` and `ground`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The least similarity of a fuzzy match, from 0 to 1. With `false` there are no fuzzy matches.
   *
   * @default 0.85
   */
  readonly fuzzy?: number | false | undefined
}

/**
 * A source that was prepared for many look-ups.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly text: string
  /** The spans of a value, the best kind of match only, in the order of the source. */
  readonly spans: (value: string | number | boolean | null, options?: Options) => ReadonlyArray<Span>
}

/**
 * Prepares a source. Use it to look up many values in the same text.
 *
 * **Example** (Two look-ups)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * const source = Grounding.make("Total due: $1,204.50 on March 3, 2026")
 *
 * source.spans(1204.5)[0]?.quote // => "1,204.50"
 * source.spans("2026-03-03")[0]?.quote // => "March 3, 2026"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (text: string): Source => {
  const parts = prepare(text)
  return { text, spans: (value, options) => spansOf(parts, value, options?.fuzzy ?? 0.85) }
}

/**
 * Returns where a text states a value, or `undefined`. Of several places it is the first.
 *
 * **Example** (A name in another case)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * Grounding.locate("Signed: ADA  LOVELACE", "Ada Lovelace") // => { start: 8, end: 21, quote: "ADA  LOVELACE", match: "normalised" }
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const locate = (text: string, value: string | number, options?: Options): Span | undefined =>
  make(text).spans(value, options)[0]

/**
 * Returns every leaf of an answer with its place in the source. Of several places it takes one near the other values of
 * the same object, and rows of a list that are equal get places of their own, in order.
 *
 * **Example** (An answer with an invented value)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * const leaves = Grounding.ground("Ada, 36", { name: "Ada", age: 36, city: "London" })
 *
 * leaves.map(({ span }) => span?.quote) // => ["Ada", "36", undefined]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const ground = (source: string | Source, json: Schema.Json, options?: Options): ReadonlyArray<Leaf> => {
  const prepared = typeof source === "string" ? make(source) : source
  const found = leavesOf(json).map((leaf) => ({ ...leaf, spans: prepared.spans(leaf.value, options) }))
  return choose(found)
}

/**
 * Whether a value can have a place at all: texts and numbers can.
 *
 * **Example** (A number and a boolean)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * Grounding.isStatable(36) // => true
 * Grounding.isStatable(true) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isStatable = (value: string | number | boolean | null): boolean =>
  typeof value === "number" || typeof value === "string" && /[\p{L}\p{N}]/u.test(value)

/**
 * The share of the texts and numbers that the source states, from 0 to 1. It is 1 where there are none. A fuzzy match is no
 * statement: measured on answers of real models, a value that the source states only nearly is wrong as often as one that
 * it does not state.
 *
 * **Example** (Half of the values are stated)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * Grounding.share(Grounding.ground("Ada, 36", { name: "Ada", city: "London" })) // => 0.5
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const share = (leaves: ReadonlyArray<Leaf>): number => {
  const statable = leaves.filter(({ value }) => isStatable(value))
  return statable.length === 0 ? 1 : statable.filter(isStated).length / statable.length
}

/**
 * Whether the source states a value, other than nearly.
 *
 * **Example** (Which values are stated)
 *
 * ```ts
 * import { Grounding } from "effect-instructor"
 *
 * const leaves = Grounding.ground("Ada, 36", { name: "Ada", city: "London" })
 *
 * leaves.map(Grounding.isStated) // => [true, false]
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isStated = ({ span }: Leaf): boolean => span !== null && span.match !== "fuzzy"

interface Parts {
  readonly text: string
  readonly folded: Folded.Folded
  readonly numbers: () => Numbers.NumberIndex
  readonly dates: () => Dates.DateIndex
  readonly words: () => Fuzzy.WordIndex
}

const once = <A>(make: () => A): () => A => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

const prepare = (text: string): Parts => {
  const folded = Folded.fold(text)
  return {
    text,
    folded,
    numbers: once(() => Numbers.index(text)),
    dates: once(() => Dates.index(text)),
    words: once(() => Fuzzy.indexWords(folded.text))
  }
}

const maxSpans = 64

const spansOf = (parts: Parts, value: Scalar, fuzzy: number | false): ReadonlyArray<Span> => {
  if (typeof value === "number") return numberSpans(parts, value)
  if (typeof value !== "string") return []
  const trimmed = value.trim()
  if (trimmed === "") return []
  const exact = exactSpans(parts, trimmed)
  if (exact.length > 0) return exact
  const needle = Folded.fold(trimmed).text
  if (needle === "") return []
  const normalised = Folded.occurrences(parts.folded.text, needle, maxSpans)
  if (normalised.length > 0) {
    return normalised.map((at) => foldedSpan(parts, at, at + needle.length, "normalised"))
  }
  const formatted = [
    ...Numbers.valuesOf(trimmed).flatMap((number) => Numbers.find(parts.numbers(), number)),
    ...Dates.keysOf(trimmed).flatMap((key) => parts.dates().get(key) ?? [])
  ]
  if (formatted.length > 0) return formatted.slice(0, maxSpans).map((range) => spanOf(parts.text, range, "normalised"))
  return fuzzy === false || needle.length < 8 || /\d/.test(needle) && !/\p{L}/u.test(needle)
    ? []
    : fuzzySpans(parts, needle, fuzzy)
}

const numberSpans = (parts: Parts, value: number): ReadonlyArray<Span> => {
  const written = String(value)
  return Numbers.find(parts.numbers(), value).slice(0, maxSpans).map((range) => {
    const isExact = parts.text.slice(range.start, range.end) === written
    return spanOf(parts.text, range, isExact ? "exact" : "normalised")
  })
}

const spanOf = (text: string, { end, start }: Numbers.Range, match: Span["match"]): Span => ({
  start,
  end,
  quote: text.slice(start, end),
  match
})

const isWordCharacter = (character: string | undefined): boolean =>
  character !== undefined && /[\p{L}\p{N}]/u.test(character) && !Folded.unspaced.test(character)

/** A text inside of a longer word is no statement of it. */
const exactSpans = ({ text }: Parts, value: string): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  for (let at = text.indexOf(value); at !== -1 && spans.length < maxSpans; at = text.indexOf(value, at + 1)) {
    const end = at + value.length
    const isInside = isWordCharacter(value[0]) && isWordCharacter(text[at - 1]) ||
      isWordCharacter(value[value.length - 1]) && isWordCharacter(text[end])
    if (!isInside) spans.push({ start: at, end, quote: value, match: "exact" })
  }
  return spans
}

const foldedSpan = ({ folded, text }: Parts, from: number, to: number, match: Span["match"]): Span =>
  spanOf(text, { start: folded.starts[from]!, end: folded.ends[to - 1]! }, match)

const fuzzySpans = (parts: Parts, needle: string, minimum: number): ReadonlyArray<Span> => {
  const found = Fuzzy.find(parts.words(), needle, minimum)
  return found === undefined ? [] : [foldedSpan(parts, found.start, found.end, "fuzzy")]
}

interface Found {
  readonly path: Path
  readonly value: Scalar
  readonly spans: ReadonlyArray<Span>
}

const parentOf = (path: Path): string => JSON.stringify(path.slice(0, -1))

/** Chooses one place for each leaf: near the rarest value of its object, and after the object before it. */
const choose = (leaves: ReadonlyArray<Found>): ReadonlyArray<Leaf> => {
  const groups = new Map<string, Array<Found>>()
  for (const leaf of leaves) {
    const parent = parentOf(leaf.path)
    const group = groups.get(parent)
    if (group === undefined) groups.set(parent, [leaf])
    else group.push(leaf)
  }
  const chosen = new Map<Found, Span>()
  const taken = new Map<string, number>()
  for (const group of groups.values()) {
    const places = group.filter(({ spans }) => spans.length > 0)
    if (places.length === 0) continue
    const isScalarList = typeof group[0]!.path.at(-1) === "number"
    const rarest = places.reduce((a, b) => b.spans.length < a.spans.length ? b : a)
    // Rows that begin alike take one place after the other.
    const key = `${rarest.path.map((part) => typeof part === "number" ? "[]" : part).join("/")} ${rarest.value}`
    const anchor = rarest.spans.find(({ start }) => start >= (taken.get(key) ?? 0)) ?? rarest.spans[0]!
    taken.set(key, anchor.end)
    let previous = anchor.start
    for (const leaf of places) {
      if (isScalarList) {
        const listKey = `${parentOf(leaf.path)} ${leaf.value}`
        const span = leaf.spans.find(({ start }) => start >= (taken.get(listKey) ?? 0)) ?? leaf.spans[0]!
        taken.set(listKey, span.end)
        chosen.set(leaf, span)
      } else if (leaf === rarest) chosen.set(leaf, anchor)
      else {
        const span = nearest(leaf.spans, previous)
        chosen.set(leaf, span)
        previous = span.start
      }
    }
  }
  return leaves.map((leaf) => ({ path: leaf.path, value: leaf.value, span: chosen.get(leaf) ?? null }))
}

/** Values mostly follow each other as the answer has them, so that a place before counts as three times as far. */
const nearest = (spans: ReadonlyArray<Span>, place: number): Span => {
  const distance = ({ start }: Span): number => start < place ? 3 * (place - start) : start - place
  return spans.reduce((a, b) => distance(b) < distance(a) ? b : a)
}
