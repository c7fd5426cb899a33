/** Compares two answers leaf by leaf. Rows of lists are paired so that as many leaves as possible are the same. */
import type * as Schema from "effect/Schema"
import { canonicalJson } from "../internal/canonicalJson.ts"
import { assign } from "./internal/assignment.ts"
import { distance } from "./internal/fuzzy.ts"
import { isEmpty, plainText, scalarKey } from "./internal/scalarKey.ts"
import { fieldOf, isList, isRecord, type Path, type Scalar } from "./Leaves.ts"

export interface Options {
  /** Whether two leaves of a field are the same. `undefined` leaves it to the normalised comparison. */
  readonly isSame?: ((a: Scalar, b: Scalar, field: string) => boolean | undefined) | undefined
  /** The least similarity of two texts that count as the same, from 0 to 1. 1 by default. */
  readonly fuzzy?: number | undefined
}

/** A leaf of one answer, the other or both. */
export interface Pair {
  readonly field: string
  /** The path in the first answer, or in the second where the first has none. */
  readonly path: Path
  readonly a: Scalar | undefined
  readonly b: Scalar | undefined
  readonly isSame: boolean
}

const maxFuzzy = 2000

const isSameText = (a: string, b: string, minimum: number): boolean => {
  if (a.length > maxFuzzy || b.length > maxFuzzy) return false
  const [x, y] = [plainText(a), plainText(b)]
  const longest = Math.max(x.length, y.length)
  return distance(x, y, Math.floor((1 - minimum) * longest)) < Infinity
}

const isSame = (a: Scalar, b: Scalar, field: string, options: Options): boolean => {
  const decided = options.isSame?.(a, b, field)
  if (decided !== undefined) return decided
  if (scalarKey(a) === scalarKey(b)) return true
  const { fuzzy = 1 } = options
  return fuzzy < 1 && typeof a === "string" && typeof b === "string" && isSameText(a, b, fuzzy)
}

/** The number of leaves that two answers share, when their lists are paired in the best way. */
export const shared = (a: Schema.Json, b: Schema.Json, options: Options = {}, field = ""): number => {
  if (isList(a)) {
    if (!isList(b)) return 0
    return pairRows(a, b, options, field).reduce(
      (sum, [i, j]) => sum + (i === -1 || j === -1 ? 0 : shared(a[i]!, b[j]!, options, `${field}[]`)),
      0
    )
  }
  if (isRecord(a)) {
    if (!isRecord(b)) return 0
    let sum = 0
    for (const key of Object.keys(a)) {
      if (Object.hasOwn(b, key)) sum += shared(a[key]!, b[key]!, options, inner(field, key))
    }
    return sum
  }
  return isList(b) || isRecord(b) || isEmpty(a) || isEmpty(b)
    ? 0
    : Number(isSame(a, b, field, options))
}

const inner = (field: string, key: string): string => field === "" ? key : `${field}.${key}`

/** More cells than this are paired in order of their similarity and not in the best way. */
const maxCells = 250_000

/** Pairs of positions, -1 for a row without a counterpart. Pairs that share nothing are kept where both are left over. */
export const pairRows = (
  a: ReadonlyArray<Schema.Json>,
  b: ReadonlyArray<Schema.Json>,
  options: Options,
  field: string
): ReadonlyArray<readonly [number, number]> => {
  const columnOf: Array<number> = a.map(() => -1)
  const restOfB = new Set(b.keys())
  const isPlain = options.isSame === undefined && (options.fuzzy ?? 1) === 1
  if (isPlain && [...a, ...b].every(isFlat)) {
    const equal = new Map<string, Array<number>>()
    b.forEach((row, j) => {
      const key = rowKey(row)
      equal.set(key, [...(equal.get(key) ?? []), j])
    })
    a.forEach((row, i) => {
      const j = equal.get(rowKey(row))?.shift()
      if (j === undefined) return
      columnOf[i] = j
      restOfB.delete(j)
    })
  }
  const rows = [...a.keys()].filter((i) => columnOf[i] === -1)
  const columns = [...restOfB]
  const weights = rows.map((i) =>
    columns.map((j) => {
      const count = shared(a[i]!, b[j]!, options, `${field}[]`)
      // Of equally good pairings, the one that keeps the order.
      if (count > 0) return count - Math.abs(i - j) / (1e3 * (a.length + b.length))
      // Rows that state nothing have nothing to share.
      return canonicalJson(a[i]) === canonicalJson(b[j]) ? equalRows : 0
    })
  )
  const assigned = rows.length * columns.length > maxCells ? greedy(weights) : assign(weights)
  rows.forEach((i, at) => {
    if (assigned[at] !== -1) columnOf[i] = columns[assigned[at]!]!
  })
  const used = new Set(columnOf)
  return [
    ...columnOf.map((j, i) => [i, j] as const),
    ...[...b.keys()].filter((j) => !used.has(j)).map((j) => [-1, j] as const)
  ]
}

const equalRows = 1e-6

const isFlat = (row: Schema.Json): boolean =>
  isRecord(row) ? Object.values(row).every((value) => !isList(value) && !isRecord(value)) : !isList(row)

const rowKey = (row: Schema.Json): string =>
  isRecord(row)
    ? canonicalJson(Object.fromEntries(
      Object.entries(row).filter(([, value]) => !isEmpty(value as Scalar)).map(([key, value]) => [
        key,
        scalarKey(value as Scalar)
      ])
    ))
    : scalarKey(row as Scalar)

const greedy = (weights: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> => {
  const cells: Array<readonly [number, number, number]> = []
  weights.forEach((row, i) => row.forEach((weight, j) => weight > 0 && cells.push([weight, i, j])))
  const result = weights.map(() => -1)
  const taken = new Set<number>()
  for (const [, i, j] of cells.toSorted((x, y) => y[0] - x[0])) {
    if (result[i] !== -1 || taken.has(j)) continue
    result[i] = j
    taken.add(j)
  }
  return result
}

/** All leaves of two answers that state something, paired. */
export const compare = (a: Schema.Json, b: Schema.Json, options: Options = {}): ReadonlyArray<Pair> => {
  const pairs: Array<Pair> = []
  const walk = (left: Schema.Json | undefined, right: Schema.Json | undefined, path: Path): void => {
    if (isList(left) || isRecord(left) || isList(right) || isRecord(right)) {
      if (isList(left) && isList(right)) {
        for (const [i, j] of pairRows(left, right, options, fieldOf(path))) {
          walk(left[i], right[j], [...path, i === -1 ? j : i])
        }
      } else if (isRecord(left) && isRecord(right)) {
        for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
          walk(own(left, key), own(right, key), [...path, key])
        }
      } else {
        alone(left, path, (value) => ({ a: value, b: undefined }))
        alone(right, path, (value) => ({ a: undefined, b: value }))
      }
      return
    }
    const [one, other] = [left, right]
    if (isEmpty(one) && isEmpty(other)) return
    const field = fieldOf(path)
    pairs.push({
      field,
      path,
      a: isEmpty(one) ? undefined : one,
      b: isEmpty(other) ? undefined : other,
      isSame: !isEmpty(one) && !isEmpty(other) && isSame(one!, other!, field, options)
    })
  }
  const alone = (
    json: Schema.Json | undefined,
    path: Path,
    side: (value: Scalar) => Pick<Pair, "a" | "b">
  ): void => {
    if (json === undefined) return
    if (isList(json)) json.forEach((element, i) => alone(element, [...path, i], side))
    else if (isRecord(json)) { for (const key of Object.keys(json)) alone(json[key], [...path, key], side) }
    else if (!isEmpty(json)) {
      pairs.push({ field: fieldOf(path), path, ...side(json), isSame: false })
    }
  }
  walk(a, b, [])
  return pairs
}

const own = (record: Schema.JsonObject, key: string): Schema.Json | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

export { isIn } from "./Leaves.ts"
