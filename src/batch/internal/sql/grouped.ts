/**
 * Gathers single operations of many fibers, and runs them together.
 *
 * Written by hand: a `RequestResolver` costs several objects and a fiber for each request, and runs the next group
 * without regard to those in flight.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"

export interface Options<In, Out, E> {
  /** The most that run together. */
  readonly size: number
  /** The most that run together by weight. */
  readonly weight?: { readonly limit: number; readonly of: (input: In) => number } | undefined
  /** How long the first one waits for others, in milliseconds of real time. */
  readonly linger: number
  /** How many groups run at the same time. */
  readonly lanes: number
  /** Operations with the same key do not run in one group. */
  readonly keyOf: (input: In) => string
  readonly run: (inputs: ReadonlyArray<In>) => Effect.Effect<(input: In) => Out, E>
}

interface Waiting<In, Out, E> {
  readonly input: In
  readonly resume: (effect: Effect.Effect<Out, E>) => void
}

// A database is real even in a test of virtual time.
const realTime = Clock.Clock.defaultValue()

export const make = Effect.fnUntraced(function*<In, Out, E>(
  options: Options<In, Out, E>
): Effect.fn.Return<(input: In) => Effect.Effect<Out, E>, never, Scope.Scope> {
  const { linger, lanes, run, size } = options
  const arrived = Latch.makeUnsafe(false)
  const full = Latch.makeUnsafe(false)
  let waiting: Array<Waiting<In, Out, E>> = []
  let isGathering = false

  const gather: Effect.Effect<unknown> = linger === 0
    ? Effect.yieldNow
    : Effect.suspend(() =>
      waiting.length >= size ? Effect.void : Effect.provideService(
        Effect.timeoutOption(full.await, linger),
        Clock.Clock,
        realTime
      )
    )

  const take = (): ReadonlyArray<Waiting<In, Out, E>> => {
    const count = countOf(waiting.map(({ input }) => input), options)
    const group = waiting.slice(0, count)
    waiting = waiting.slice(count)
    full.closeUnsafe()
    if (waiting.length === 0) arrived.closeUnsafe()
    if (waiting.length >= size) full.openUnsafe()
    return group
  }

  const lane = Effect.forever(Effect.gen(function*() {
    yield* arrived.await
    if (isGathering) {
      // Another lane has these. Wait until it has taken them.
      yield* Effect.yieldNow
      if (isGathering) yield* Effect.provideService(Effect.sleep(Math.max(1, linger)), Clock.Clock, realTime)
      return
    }
    isGathering = true
    yield* Effect.ensuring(gather, Effect.sync(() => (isGathering = false)))
    const group = take()
    if (group.length === 0) return
    const exit = yield* Effect.exit(run(group.map(({ input }) => input)))
    for (const { input, resume } of group) {
      resume(Exit.isSuccess(exit) ? Effect.sync(() => exit.value(input)) : Effect.failCause(exit.cause))
    }
  }))
  for (let i = 0; i < lanes; i++) yield* Effect.forkScoped(lane)

  return (input) =>
    Effect.callback<Out, E>((resume) => {
      waiting.push({ input, resume })
      arrived.openUnsafe()
      if (waiting.length >= size) full.openUnsafe()
    })
})

const countOf = <In, Out, E>(inputs: ReadonlyArray<In>, { keyOf, size, weight }: Options<In, Out, E>): number => {
  const keys = new Set<string>()
  let sum = 0
  for (const [at, input] of inputs.entries()) {
    sum += weight === undefined ? 0 : weight.of(input)
    if (at === size || keys.has(keyOf(input)) || at > 0 && weight !== undefined && sum > weight.limit) return at
    keys.add(keyOf(input))
  }
  return inputs.length
}
