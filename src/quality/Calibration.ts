/**
 * Confidence as probability: how often values of a confidence were right on a gold set.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The schema of `Calibration`, for files.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Calibration = Schema.Struct({
  method: Schema.Literals(["isotonic", "binned"]),
  /** The number of values that it was fitted on. */
  samples: Schema.Natural,
  /** In the order of `confidence`. Between two points the probability is interpolated. */
  points: Schema.Array(Schema.Struct({ confidence: Schema.Finite, probability: Schema.Finite }))
})

/**
 * A map from raw confidence to the probability of being right. It is plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Calibration extends Schema.Schema.Type<typeof Calibration> {}

/**
 * A value of known truth.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sample {
  readonly confidence: number
  readonly correct: boolean
}

/**
 * The options of `fit`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `isotonic` never gives a higher confidence a lower probability; `binned` takes the mean of each of `bins` groups of
   * equal size.
   *
   * @default "isotonic"
   */
  readonly method?: "isotonic" | "binned" | undefined
  /**
   * The number of groups of `binned`.
   *
   * @default 10
   */
  readonly bins?: number | undefined
}

/**
 * Fits a calibration to values of known truth. Use it with the leaves of a gold set. Samples without a number are left
 * out.
 *
 * **Example** (A model that is too sure)
 *
 * ```ts
 * import { Calibration } from "effect-instructor"
 *
 * const calibration = Calibration.fit([
 *   { confidence: 0.9, correct: true },
 *   { confidence: 0.9, correct: false },
 *   { confidence: 0.2, correct: false }
 * ])
 *
 * Calibration.apply(calibration, 0.9) // => 0.5
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fit = (samples: Iterable<Sample>, options?: Options): Calibration => {
  const sorted = Array.from(samples).filter(({ confidence }) => Number.isFinite(confidence))
    .toSorted((a, b) => a.confidence - b.confidence)
  const method = options?.method ?? "isotonic"
  const groups = method === "isotonic" ? isotonic(sorted) : binned(sorted, options?.bins ?? 10)
  return {
    method,
    samples: sorted.length,
    points: groups.flatMap(({ count, first, last, sum }) => {
      const probability = sum / count
      return first === last ? [{ confidence: first, probability }] : [
        { confidence: first, probability },
        { confidence: last, probability }
      ]
    })
  }
}

/**
 * Returns the probability that a value of a raw confidence is right. Without samples it is the raw confidence.
 *
 * @category getters
 * @since 0.1.0
 */
export const apply = ({ points }: Calibration, confidence: number): number => {
  if (points.length === 0) return confidence
  const after = points.findIndex((point) => point.confidence >= confidence)
  if (after === -1) return points[points.length - 1]!.probability
  const right = points[after]!
  if (after === 0 || right.confidence === confidence) return right.probability
  const left = points[after - 1]!
  const share = (confidence - left.confidence) / (right.confidence - left.confidence)
  return left.probability + share * (right.probability - left.probability)
}

interface Group {
  readonly first: number
  last: number
  sum: number
  count: number
}

/** Equal confidences are one group, whatever the method. */
const ties = (sorted: ReadonlyArray<Sample>): Array<Group> => {
  const groups: Array<Group> = []
  for (const { confidence, correct } of sorted) {
    const last = groups[groups.length - 1]
    if (last !== undefined && last.last === confidence) {
      last.sum += Number(correct)
      last.count++
    } else groups.push({ first: confidence, last: confidence, sum: Number(correct), count: 1 })
  }
  return groups
}

/** Joins neighbours until the means rise: the pool adjacent violators algorithm. */
const isotonic = (sorted: ReadonlyArray<Sample>): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  for (const group of ties(sorted)) {
    groups.push(group)
    while (groups.length > 1) {
      const right = groups[groups.length - 1]!
      const left = groups[groups.length - 2]!
      if (left.sum / left.count < right.sum / right.count) break
      join(left, right)
      groups.pop()
    }
  }
  return groups
}

const binned = (sorted: ReadonlyArray<Sample>, bins: number): ReadonlyArray<Group> => {
  const size = Math.max(1, Math.ceil(sorted.length / Math.max(1, Math.floor(bins) || 1)))
  const groups: Array<Group> = []
  for (const group of ties(sorted)) {
    const last = groups[groups.length - 1]
    if (last === undefined || last.count >= size) groups.push(group)
    else join(last, group)
  }
  return groups
}

const join = (left: Group, right: Group): void => {
  left.last = right.last
  left.sum += right.sum
  left.count += right.count
}
