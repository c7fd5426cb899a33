/** How likely the leaves of an answer are right, by what can be known without gold. */
import type { Calibration } from "./Calibration.ts"
import { apply } from "./Calibration.ts"
import * as Grounding from "./Grounding.ts"
import type { Path, Scalar } from "./Leaves.ts"
import * as LogProbs from "./LogProbs.ts"
import type { Agreement } from "./Vote.ts"

export interface Signals {
  readonly agreement: ReadonlyArray<Agreement> | undefined
  readonly attempts: number
  /** How probable the model found each leaf, by its path. */
  readonly probabilities?: ReturnType<typeof LogProbs.ofText> | undefined
  /** The paths of values that were written in another way than the schema asks for. */
  readonly coerced: ReadonlyArray<Path>
}

export interface ConfidentLeaf extends Grounding.Leaf {
  readonly confidence: number
}

const longText = 40

/** How often values of a kind were right in the answers of 19 models to 105 pages (`npm run bench:quality`). */
const prior = (leaf: Grounding.Leaf): number => {
  const { span, value } = leaf
  if (!Grounding.isStatable(value)) return 0.8
  const isLong = typeof value === "string" && value.length > longText
  if (Grounding.isStated(leaf)) return isLong ? 0.7 : 0.88
  return span === null ? isLong ? 0.04 : 0.23 : 0.12
}

const logit = (p: number): number => Math.log(p / (1 - p))

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** Agreement of two thirds changes nothing. */
const neutralAgreement = 2 / 3

/**
 * Models are mostly sure of what they write, so that a probability of 0.9 changes nothing. The weight is not measured:
 * a calibration corrects it.
 */
const ofProbability = (probability: number): number =>
  0.5 * (logit(Math.min(0.98, Math.max(0.02, probability))) - logit(0.9))

const key = (path: Path): string => JSON.stringify(path)

export const ofLeaves = (
  leaves: ReadonlyArray<Grounding.Leaf>,
  { agreement, attempts, coerced, probabilities }: Signals,
  calibration: Calibration | undefined
): ReadonlyArray<ConfidentLeaf> => {
  const shares = new Map(agreement?.map(({ path, share }) => [key(path), share]))
  const others = new Set(coerced.map(key))
  return leaves.map((leaf) => {
    const share = shares.get(key(leaf.path))
    const written = probabilities?.get(LogProbs.keyOf(leaf.path))
    const evidence = logit(prior(leaf)) +
      (written === undefined || written.value !== leaf.value ? 0 : ofProbability(written.probability)) +
      (share === undefined ? 0 : 4 * (share - neutralAgreement)) -
      0.5 * Math.max(0, attempts - 1) -
      (others.has(key(leaf.path)) ? 0.5 : 0)
    const raw = sigmoid(evidence)
    return { ...leaf, confidence: calibration === undefined ? raw : apply(calibration, raw) }
  })
}

/** The confidence of a whole answer: the mean of its leaves. */
export const ofAnswer = (leaves: ReadonlyArray<{ readonly confidence: number; readonly value: Scalar }>): number =>
  leaves.length === 0 ? 1 : leaves.reduce((sum, { confidence }) => sum + confidence, 0) / leaves.length
