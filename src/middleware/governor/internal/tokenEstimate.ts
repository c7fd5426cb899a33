/**
 * What the provider will count for a request. Before anything is known it is our count of the prompt. Then the usage of
 * the answers corrects it: the tokens of an extraction's prompts lie close to a straight line over our counts, whose
 * height is what all its requests have in common.
 */
import type { LlmRequest, OutputFormat } from "../../../llm/LlmRequest.ts"
import type { Usage } from "../../../llm/Usage.ts"

/** How many answers the line is fitted to, and how many it takes to trust it. */
const memory = 50
const samplesToTrust = 5
/** How many tokens an answer of unlimited length counts for at first. */
const unboundedAnswer = 16
/** How many answers the longest is taken of, and how many it takes to trust it. */
const outputsKept = 200
const outputsToTrust = 30

/** What was learned from the answers to one extraction's requests: means, and the sizes of the last answers. */
interface Learned {
  samples: number
  x: number
  y: number
  xx: number
  xy: number
  output: number
  readonly outputs: Array<number>
}

/** All requests of an extraction share one output format; what is known about it goes when it goes. */
export type TokenEstimate = WeakMap<OutputFormat, Learned>

export const make = (): TokenEstimate => new WeakMap()

/** The tokens that the provider will count for a prompt which we count at `counted`. */
export const prompt = (self: TokenEstimate, { output }: LlmRequest, counted: number): number => {
  const learned = self.get(output)
  if (learned === undefined || learned.samples < samplesToTrust) return counted
  const { x, xx, xy, y } = learned
  if (x === 0) return counted
  const variance = xx - x * x
  if (variance < 1 || variance < 1e-4 * x * x) return Math.max(1, counted * y / x)
  const slope = Math.min(4, Math.max(0.1, (xy - x * y) / variance))
  return Math.max(1, y + slope * (counted - x))
}

/** The tokens that it will count for the answer. */
export const answer = (self: TokenEstimate, { output, parameters: { maxTokens } }: LlmRequest): number =>
  maxTokens ?? Math.max(unboundedAnswer, self.get(output)?.output ?? 0)

/** The most tokens that answers need, once enough of them are known. */
export const longestAnswer = (self: TokenEstimate, { output }: LlmRequest): number | undefined => {
  const learned = self.get(output)
  return learned === undefined || learned.samples < outputsToTrust ? undefined : Math.max(...learned.outputs)
}

export const learn = (
  self: TokenEstimate,
  { output }: LlmRequest,
  counted: number,
  { inputTokens, outputTokens, unreported }: Usage
): void => {
  if (unreported > 0) return
  let learned = self.get(output)
  if (learned === undefined) {
    learned = { samples: 0, x: 0, y: 0, xx: 0, xy: 0, output: 0, outputs: [] }
    self.set(output, learned)
  }
  const weight = 1 / Math.min(++learned.samples, memory)
  learned.output += weight * (outputTokens - learned.output)
  learned.outputs[(learned.samples - 1) % outputsKept] = outputTokens
  // Servers that do not count prompts report 0.
  if (inputTokens === 0) return
  learned.x += weight * (counted - learned.x)
  learned.y += weight * (inputTokens - learned.y)
  learned.xx += weight * (counted * counted - learned.xx)
  learned.xy += weight * (counted * inputTokens - learned.xy)
}
