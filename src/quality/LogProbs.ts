/** How probable a model found each leaf of its answer, by the log probabilities of the tokens. */
import type { Path, Scalar } from "./Leaves.ts"

export interface TokenProbability {
  readonly token: string
  readonly logprob: number
}

/** A leaf as the model wrote it. */
interface Written {
  readonly value: Scalar
  /** From 0 to 1: the geometric mean of its tokens. Punctuation of JSON does not count. */
  readonly probability: number
}

export const keyOf = (path: Path): string => JSON.stringify(path)

/** The leaves of the JSON in a text, by their paths. There are none if the tokens are not those of the text. */
export const ofText = (text: string, tokens: ReadonlyArray<TokenProbability>): ReadonlyMap<string, Written> => {
  const found = new Map<string, Written>()
  if (tokens.length === 0 || tokens.map(({ token }) => token).join("") !== text) return found
  const start = text.search(/[{[]/)
  if (start === -1) return found
  const meanOf = makeMean(tokens)
  const end = scan(text, start, [], 0, (path, value, from, to) => {
    const probability = meanOf(from, to)
    if (probability !== undefined) found.set(keyOf(path), { value, probability })
  })
  return end === -1 ? new Map() : found
}

/** The mean of the tokens between two positions, which have to be asked for in order. */
const makeMean = (tokens: ReadonlyArray<TokenProbability>) => {
  let first = 0
  let begin = 0
  return (from: number, to: number): number | undefined => {
    while (first < tokens.length && begin + tokens[first]!.token.length <= from) begin += tokens[first++]!.token.length
    let sum = 0
    let count = 0
    for (let i = first, at = begin; i < tokens.length && at < to; at += tokens[i++]!.token.length) {
      sum += tokens[i]!.logprob
      count++
    }
    return count === 0 ? undefined : Math.exp(sum / count)
  }
}

type Visit = (path: Path, value: Scalar, from: number, to: number) => void

const space = /[ \t\r\n]*/y
const text = /"(?:[^"\\]|\\.)*"/y
const bare = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y
const maxDepth = 256

const after = (pattern: RegExp, source: string, at: number): number => {
  pattern.lastIndex = at
  return pattern.test(source) ? pattern.lastIndex : -1
}

/** Visits the leaves of the value at a position, and returns where it ends; -1 if it is not JSON. */
const scan = (source: string, begin: number, path: Path, depth: number, visit: Visit): number => {
  const at = after(space, source, begin)
  const c = source[at]
  if (c === "{" || c === "[") return depth < maxDepth ? members(source, at, path, depth, visit) : -1
  const end = after(c === "\"" ? text : bare, source, at)
  if (end === -1) return -1
  const value = JSON.parse(source.slice(at, end)) as Scalar
  const isText = c === "\"" && end - at > 2
  visit(path, value, isText ? at + 1 : at, isText ? end - 1 : end)
  return end
}

const members = (source: string, open: number, path: Path, depth: number, visit: Visit): number => {
  const isObject = source[open] === "{"
  const close = isObject ? "}" : "]"
  let at = after(space, source, open + 1)
  if (source[at] === close) return at + 1
  for (let index = 0;; index++) {
    let key: string | number = index
    if (isObject) {
      const end = after(text, source, at)
      if (end === -1) return -1
      key = JSON.parse(source.slice(at, end)) as string
      at = after(space, source, end)
      if (source[at++] !== ":") return -1
    }
    const end = scan(source, at, [...path, key], depth + 1, visit)
    if (end === -1) return -1
    at = after(space, source, end)
    if (source[at] === close) return at + 1
    if (source[at] !== ",") return -1
    at = after(space, source, at + 1)
  }
}
