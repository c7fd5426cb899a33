/**
 * One answer from several, leaf by leaf.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import { canonicalJson } from "../internal/canonicalJson.ts"
import * as Comparison from "./Comparison.ts"
import * as Grounding from "./Grounding.ts"
import { isEmpty, scalarKey } from "./internal/scalarKey.ts"
import { fieldOf, isList, isRecord, type Path, type Scalar } from "./Leaves.ts"

/**
 * How many of the answers agree on a leaf.
 *
 * @category models
 * @since 0.1.0
 */
export interface Agreement {
  readonly path: Path
  /** The share of the answers that have this value here, from 0 to 1. */
  readonly share: number
}

/**
 * The result of a vote.
 *
 * @category models
 * @since 0.1.0
 */
export interface Elected {
  readonly value: Schema.Json
  /** The agreement on each leaf of the value. */
  readonly agreement: ReadonlyArray<Agreement>
}

/**
 * The options of `elect`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The text that the answers are about. Of values with equally many votes, one that it states is taken. */
  readonly source?: string | Grounding.Source | undefined
}

/**
 * Elects an answer from several, leaf by leaf: each leaf is the value that most answers have there. Rows of lists are paired
 * first, and a row is kept if at least half of the answers have it. Ties are broken by the source, and then by the order of
 * the answers.
 *
 * **Example** (Two of three)
 *
 * ```ts
 * import { Vote } from "effect-instructor"
 *
 * const { agreement, value } = Vote.elect([
 *   { name: "Ada", age: 36 },
 *   { name: "Ada", age: 63 },
 *   { name: "Ida", age: 36 }
 * ])
 *
 * value // => { name: "Ada", age: 36 }
 * agreement.map(({ share }) => share.toFixed(2)) // => ["0.67", "0.67"]
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const elect = (answers: ReadonlyArray<Schema.Json>, options: Options = {}): Elected => {
  const source = typeof options.source === "string" ? Grounding.make(options.source) : options.source
  const agreement: Array<Agreement> = []
  const order = byCentrality(answers)
  const value = order.length === 0
    ? null
    : merge(order.map((i) => ({ voter: i, json: answers[i]! })), [], answers.length, { source, agreement })
  return { value, agreement }
}

/**
 * Returns the answer that agrees with the others most, whole. Use it where the parts of an answer belong together.
 *
 * **Example** (The answer of the majority)
 *
 * ```ts
 * import { Vote } from "effect-instructor"
 *
 * const answers = [{ city: "Lyon" }, { city: "Paris" }, { city: "Paris" }]
 *
 * Vote.choose(answers).value // => { city: "Paris" }
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const choose = (answers: ReadonlyArray<Schema.Json>, options: Options = {}): Elected => {
  const source = typeof options.source === "string" ? Grounding.make(options.source) : options.source
  const shares = answers.map((answer) =>
    support(answers, answer) + (source === undefined ? 0 : 1e-6 * stated(source, answer))
  )
  const best = shares.indexOf(Math.max(...shares))
  const value = answers[best] ?? null
  return { value, agreement: agreementWith(value, answers) }
}

/** The agreement of several answers on each leaf of one. */
const agreementWith = (value: Schema.Json, answers: ReadonlyArray<Schema.Json>): ReadonlyArray<Agreement> => {
  const votes = new Map<string, { readonly path: Path; count: number }>()
  for (const other of answers) {
    for (const { a, isSame, path } of Comparison.compare(value, other)) {
      if (a === undefined) continue
      const key = JSON.stringify(path)
      const known = votes.get(key) ?? { path, count: 0 }
      if (isSame) known.count++
      votes.set(key, known)
    }
  }
  return Array.from(votes.values(), ({ count, path }) => ({ path, share: count / answers.length }))
}

const support = (answers: ReadonlyArray<Schema.Json>, answer: Schema.Json): number =>
  answers.reduce<number>((sum, other) => sum + similarity(answer, other), 0)

const similarity = (a: Schema.Json, b: Schema.Json): number => {
  if (a === b) return 1
  const pairs = Comparison.compare(a, b)
  return pairs.length === 0 ? 1 : pairs.filter(({ isSame }) => isSame).length / pairs.length
}

const stated = (source: Grounding.Source, json: Schema.Json): number =>
  Grounding.share(Grounding.ground(source, json, { fuzzy: false }))

/** Positions of the answers, the one that the others resemble most first. */
const byCentrality = (answers: ReadonlyArray<Schema.Json>): ReadonlyArray<number> => {
  const scores = answers.map((answer) => support(answers, answer))
  return [...answers.keys()].toSorted((i, j) => scores[j]! - scores[i]! || i - j)
}

interface Ballot {
  readonly voter: number
  /** `undefined` for an answer that has nothing here. */
  readonly json: Schema.Json | undefined
}

interface Context {
  readonly source: Grounding.Source | undefined
  readonly agreement: Array<Agreement>
}

/** `total` counts the answers that could have voted here. */
const merge = (ballots: ReadonlyArray<Ballot>, path: Path, total: number, context: Context): Schema.Json => {
  const kinds = ballots.map(({ json }) => isList(json) ? "list" : isRecord(json) ? "record" : "scalar")
  const count = (kind: string): number => kinds.filter((other) => other === kind).length
  if (count("list") > 0 && count("list") >= count("scalar")) {
    return mergeLists(ballots.filter(({ json }) => isList(json)) as ReadonlyArray<ListBallot>, path, total, context)
  }
  if (count("record") > 0 && count("record") >= count("scalar")) {
    return mergeRecords(
      ballots.filter(({ json }) => isRecord(json)) as ReadonlyArray<RecordBallot>,
      path,
      total,
      context
    )
  }
  return mergeScalars(ballots.filter(({ json }) => !isList(json) && !isRecord(json)), path, total, context)
}

interface RecordBallot {
  readonly voter: number
  readonly json: Schema.JsonObject
}

const mergeRecords = (
  ballots: ReadonlyArray<RecordBallot>,
  path: Path,
  total: number,
  context: Context
): Schema.Json => {
  const keys = new Set(ballots.flatMap(({ json }) => Object.keys(json)))
  const entries: Array<readonly [string, Schema.Json]> = []
  for (const key of keys) {
    const having = ballots.filter(({ json }) => Object.hasOwn(json, key))
    if (having.length * 2 < ballots.length) continue
    const inner = having.map(({ json, voter }) => ({ voter, json: json[key] }))
    entries.push([key, merge(inner, [...path, key], total, context)])
  }
  return Object.fromEntries(entries)
}

const mergeScalars = (ballots: ReadonlyArray<Ballot>, path: Path, total: number, context: Context): Schema.Json => {
  const groups = new Map<string, { readonly value: Scalar; votes: number }>()
  for (const { json } of ballots) {
    const value = (json ?? null) as Scalar
    const key = isEmpty(value) ? "empty" : scalarKey(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { value, votes: 1 })
    else group.votes++
  }
  const ranked = [...groups.values()].toSorted((a, b) => b.votes - a.votes)
  const tied = ranked.filter(({ votes }) => votes === ranked[0]!.votes)
  const best = tied.length > 1 ? tied.find(({ value }) => isStated(value, context)) ?? tied[0]! : tied[0]!
  if (!isEmpty(best.value)) context.agreement.push({ path, share: best.votes / total })
  return best.value
}

const isStated = (value: Scalar, { source }: Context): boolean =>
  source !== undefined && Grounding.isStatable(value) && source.spans(value, { fuzzy: false }).length > 0

interface ListBallot {
  readonly voter: number
  readonly json: ReadonlyArray<Schema.Json>
}

interface Row {
  readonly ballots: Array<{ readonly voter: number; readonly json: Schema.Json }>
}

/** Rows of the first answer with their counterparts, and rows that others have in addition, in their places. */
const mergeLists = (ballots: ReadonlyArray<ListBallot>, path: Path, total: number, context: Context): Schema.Json => {
  const rows: Array<Row> = ballots[0]!.json.map((json) => ({ ballots: [{ voter: ballots[0]!.voter, json }] }))
  for (const { json, voter } of ballots.slice(1)) {
    const heads = rows.map((row) => row.ballots[0]!.json)
    const rowOf: Array<Row | undefined> = json.map(() => undefined)
    for (const [i, j] of Comparison.pairRows(heads, json, {}, fieldOf(path))) {
      if (i === -1 || j === -1 || !isCounterpart(heads[i]!, json[j]!)) continue
      rows[i]!.ballots.push({ voter, json: json[j]! })
      rowOf[j] = rows[i]!
    }
    let before = -1
    json.forEach((row, j) => {
      const known = rowOf[j]
      if (known !== undefined) before = rows.indexOf(known)
      else rows.splice(++before, 0, { ballots: [{ voter, json: row }] })
    })
  }
  const kept = rows.filter((row) =>
    row.ballots.length * 2 > total || row.ballots.length * 2 === total && isKept(row, context)
  )
  return kept.map(({ ballots }, i) => merge(ballots, [...path, i], total, context))
}

const isCounterpart = (a: Schema.Json, b: Schema.Json): boolean =>
  Comparison.shared(a, b) > 0 || canonicalJson(a) === canonicalJson(b)

/** Half of the answers have the row. */
const isKept = ({ ballots: [first] }: Row, { source }: Context): boolean =>
  source === undefined || stated(source, first!.json) >= 0.5
