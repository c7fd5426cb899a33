/** An extraction whose answer is its input, a mock for it, and a way to run it under the test clock. */
import { Effect, Fiber, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"

export const Echo = Schema.Struct({ echo: Schema.String })

export const echo = Extraction.make({ schema: Echo, maxAttempts: 2 })

/** Answers with the input. "text 0" takes 100 ms, "text 1" 90 ms and so on; inputs with "bad" get invalid answers. */
export const mock = (options?: MockLlm.Options) =>
  MockLlm.layer((request) => {
    const text = request.messages[1]!.content as string
    const delay = Math.max(0, 10 - Number(text.replace(/\D/g, ""))) * 10
    return Reply.delayed(text.startsWith("bad") ? "no" : { echo: text }, delay)
  }, options)

export const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)

/** Runs an effect, and lets time pass until it is done. */
export const run = <A, E, R>(effect: Effect.Effect<A, E, R>, step = 1) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(step)
    return yield* Fiber.join(fiber)
  })
