/** The governor and common alternatives. Each makes an `Llm` over a provider that does not retry. */
import { Duration, Effect, Layer, Semaphore } from "effect"
import { Llm, LlmGovernor } from "effect-instructor"

export type Client = (provider: Llm.Llm["Service"], callers: number) => Layer.Layer<Llm.Llm>

export const governed = (options?: LlmGovernor.Options): Client => (provider) =>
  LlmGovernor.layer(options).pipe(Layer.provide(Layer.succeed(Llm.Llm, provider)))

/** Two retries of 0.5 · 2ⁿ seconds, less up to a quarter, or what the server asks if that is at most a minute. */
const sdkRetries = (
  complete: ReturnType<Llm.Llm["Service"]["complete"]>,
  random: () => number,
  retried = 0
): ReturnType<Llm.Llm["Service"]["complete"]> =>
  complete.pipe(Effect.catch((error) => {
    if (!error.isRetryable || retried >= 2) return Effect.fail(error)
    const asked = error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter)
    const wait = asked !== undefined && asked <= 60_000
      ? asked
      : Math.min(8, 0.5 * 2 ** retried) * 1000 * (1 - random() / 4)
    return Effect.andThen(Effect.sleep(Duration.millis(wait)), sdkRetries(complete, random, retried + 1))
  }))

const over = (provider: Llm.Llm["Service"], complete: Llm.Llm["Service"]["complete"]): Layer.Layer<Llm.Llm> =>
  Layer.succeed(Llm.Llm, Llm.make({ provider: provider.provider, model: provider.model, complete }))

/** A fixed concurrency, as with `p-limit` or a semaphore, over the SDK's own retries. */
export const fixed = (concurrency: number, random: () => number): Client => (provider) => {
  const semaphore = Semaphore.makeUnsafe(concurrency)
  return over(provider, (request) => semaphore.withPermit(sdkRetries(provider.complete(request), random)))
}

/** `p-queue` with `interval` and `intervalCap`: so many starts in each interval, over the SDK's own retries. */
export const paced = (requestsPerMinute: number, random: () => number): Client => (provider) => {
  const intervalMillis = 1000
  const cap = Math.max(1, Math.floor(requestsPerMinute / 60))
  let interval = -1
  let started = 0
  const start: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.clockWith((clock) => clock.currentTimeMillis), (now) => {
      const current = Math.floor(now / intervalMillis)
      if (current > interval || started >= cap) {
        interval = Math.max(current, interval + 1)
        started = 0
      }
      started++
      const at = Math.max(now, interval * intervalMillis)
      return Effect.sleep(Duration.millis(at - now))
    })
  )
  return over(
    provider,
    (request) => Effect.andThen(start, Effect.suspend(() => sdkRetries(provider.complete(request), random)))
  )
}
