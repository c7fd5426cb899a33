/** Real answers with one character inserted, deleted or changed, or cut: what is read must be the whole value or nothing. */
import { isDeepStrictEqual } from "node:util"
import * as JsonText from "../../../src/answer/JsonText.ts"
import * as Corpus from "../../support/corpus.ts"

export interface Answer {
  readonly text: string
  readonly value: unknown
  /** Where the JSON is in the text. */
  readonly start: number
  readonly end: number
}

const toAnswer = (text: string): Answer | undefined => {
  const [value] = JsonText.candidates(text)
  if (value === undefined) return undefined
  for (const [open, close] of [["{", "}"], ["[", "]"]] as const) {
    const [start, end] = [text.indexOf(open), text.lastIndexOf(close) + 1]
    if (start !== -1 && isDeepStrictEqual(parse(text.slice(start, end)), { value })) return { text, value, start, end }
  }
  return undefined
}

const parse = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** The answers of the corpus, or `undefined` where there is none. Those of documents are compact, and indented. */
export const recorded = (): ReadonlyArray<Answer> | undefined => {
  const documents = Corpus.rows<{ readonly answers: Readonly<Record<string, unknown>> }>("documents.jsonl")
  const pages = Corpus.rows<{ readonly answers: Readonly<Record<string, unknown>> }>("recorded-answers.jsonl")
  if (documents === undefined || pages === undefined) return undefined
  const texts = [
    ...documents.flatMap(({ answers }) =>
      Object.values(answers).flatMap((answer) => [JSON.stringify(answer), JSON.stringify(answer, undefined, 2)])
    ),
    ...pages.flatMap(({ answers }) => Object.values(answers).map(String))
  ]
  return texts.map(toAnswer).filter((answer) => answer !== undefined)
}

export interface Mutation {
  readonly kind: "cut" | "delete" | "insert" | "change"
  readonly at: number
  readonly character: string
}

export const apply = (text: string, { at, character, kind }: Mutation): string =>
  kind === "cut"
    ? text.slice(0, at)
    : text.slice(0, at) + (kind === "delete" ? "" : character) + text.slice(kind === "insert" ? at : at + 1)

/**
 * `trailing comma` is the one change that nothing shows: `{"a": 12}` becomes `{"a": 1,}` and `[8, 16]` becomes `[8, 1,]`,
 * and models write trailing commas far more often than they lose the last digit of a number to one.
 */
export type Outcome = "whole" | "refused" | "another value" | "trailing comma" | "wrong"

export const noOutcomes: Readonly<Record<Outcome, number>> = {
  "whole": 0,
  "refused": 0,
  "another value": 0,
  "trailing comma": 0,
  "wrong": 0
}

/** What becomes of a mutated answer. If its JSON is still valid, it says another value, and that is not wrong. */
export const outcome = (answer: Answer, mutation: Mutation): Outcome => {
  const text = apply(answer.text, mutation)
  const [value] = JsonText.candidates(text)
  if (value === undefined) return "refused"
  if (isDeepStrictEqual(value, answer.value)) return "whole"
  const moved = text.length - answer.text.length
  const isInside = mutation.kind !== "cut" && mutation.at >= answer.start && mutation.at <= answer.end
  const isValid = isInside && parse(text.slice(answer.start, answer.end + moved)) !== undefined
  if (isValid || parse(text) !== undefined) return "another value"
  const isTrailingComma = mutation.kind === "change" && mutation.character === "," &&
    /\d/.test(answer.text[mutation.at]!) && /^,\s*[}\]]/.test(text.slice(mutation.at))
  return isTrailingComma ? "trailing comma" : "wrong"
}

const alphabet = [
  ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)),
  "\n",
  "\t",
  "é",
  "\u2028",
  ..."{}[]\"':,\\/`<".repeat(3)
]

/** Mutations in an endless sequence that depends on the seed alone. */
export function* random(seed: number, answers: ReadonlyArray<Answer>): Iterable<readonly [Answer, Mutation]> {
  let state = seed >>> 0
  const next = (below: number): number => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
  while (true) {
    const answer = answers[next(answers.length)]!
    const kind = (["cut", "delete", "insert", "change"] as const)[next(4)]!
    yield [answer, { kind, at: next(answer.text.length), character: alphabet[next(alphabet.length)]! }]
  }
}
