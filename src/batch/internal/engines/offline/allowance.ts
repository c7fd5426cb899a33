/** The prompt tokens that may be enqueued at one time. What a provider does not tell is learned from its refusals. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export interface Allowance {
  /** Waits until the tokens of a batch fit, and takes them. A batch alone always fits. */
  readonly take: (tokens: number) => Effect.Effect<void>
  /** Takes tokens that are enqueued already. */
  readonly hold: (tokens: number) => void
  readonly release: (tokens: number) => void
  /** The provider refused a batch of so many tokens, which are still taken. */
  readonly refused: (tokens: number) => void
  /** Waits until another batch releases its tokens. Returns at once if no batch holds tokens. */
  readonly changed: Effect.Effect<void>
  /** The same for a batch that holds tokens itself. */
  readonly othersChanged: Effect.Effect<void>
  /** The most tokens that one batch should have. */
  readonly most: () => number
}

export const make = (known: number): Allowance => {
  const changed = Latch.makeUnsafe(false)
  let limit = known
  let most = Infinity
  let taken = 0
  let batches = 0
  const fits = (tokens: number): boolean => batches === 0 || taken + tokens <= limit
  const change = (own: number) =>
    Effect.suspend(() => {
      if (batches <= own) return Effect.void
      changed.closeUnsafe()
      return changed.await
    })
  return {
    take: (tokens) =>
      Effect.gen(function*() {
        while (!fits(tokens)) {
          changed.closeUnsafe()
          yield* changed.await
        }
        taken += tokens
        batches++
      }),
    hold: (tokens) => {
      taken += tokens
      batches++
    },
    release: (tokens) => {
      taken -= tokens
      batches--
      changed.openUnsafe()
    },
    refused: (tokens) => {
      // What the others have taken fits. Alone, it was too large itself.
      if (taken > tokens) limit = Math.min(limit, taken - 1)
      else most = Math.max(1, Math.min(most, tokens / 2))
    },
    changed: change(0),
    othersChanged: change(1),
    most: () => most
  }
}
