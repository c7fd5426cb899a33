/**
 * Time that passes at once: an effect runs until nothing is left to do before the next timer, and then the clock is set
 * to that timer. A seed decides the order of fibers that could go on. The wall clock can jump.
 */
// One thing after another is what these loops are for.
/* oxlint-disable eslint/no-await-in-loop */
import { Clock, Duration, Effect, type Exit, Scheduler } from "effect"
import type { Random } from "./random.ts"

interface Timer {
  readonly at: number
  readonly order: number
  readonly ring: () => void
}

export interface Time {
  /** In milliseconds since the first start, whatever the wall clock says. */
  readonly now: () => number
  /** What the wall clock says, in milliseconds since 1970. */
  readonly wall: () => number
  /** Sets the wall clock. */
  readonly jump: (millis: number) => void
  /** Calls a function at a time. */
  readonly at: (millis: number, body: () => void) => void
  /** Runs an effect until it ends, or until `isOver`; then it is left where it is. */
  readonly run: <A, E>(
    effect: Effect.Effect<A, E>,
    options: {
      readonly isOver: () => boolean
      /** Gets the fiber when it has started. */
      readonly onStart?: (interrupt: () => void) => void
    }
  ) => Promise<Exit.Exit<A, E> | undefined>
}

/** More steps than any run of a test needs. */
const maxSteps = 5_000_000

export const make = (random: Random): Time => {
  let now = 0
  let wallOffset = Date.UTC(2026, 0, 1)
  let order = 0
  let timers: Array<Timer> = []

  const before = (a: Timer, b: Timer): boolean => a.at < b.at || a.at === b.at && a.order < b.order

  /** Sorted, because few timers wait at a time. */
  const add = (timer: Timer): void => {
    let at = timers.length
    while (at > 0 && before(timer, timers[at - 1]!)) at--
    timers.splice(at, 0, timer)
  }

  const wall = () => now + wallOffset
  const nanos = () => BigInt(Math.round(now * 1e6))
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: wall,
    currentTimeMillis: Effect.sync(wall),
    currentTimeNanosUnsafe: () => nanos() + BigInt(wallOffset) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => nanos() + BigInt(wallOffset) * 1_000_000n),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback((resume) => {
        const millis = Duration.toMillis(duration)
        if (millis === Infinity) return Effect.void
        const timer = { at: now + Math.max(0, Math.ceil(millis)), order: order++, ring: () => resume(Effect.void) }
        add(timer)
        return Effect.sync(() => {
          const at = timers.indexOf(timer)
          if (at !== -1) timers.splice(at, 1)
        })
      })
  }

  return {
    now: () => now,
    wall,
    jump: (millis) => {
      wallOffset += millis
    },
    at: (millis, ring) => add({ at: millis, order: order++, ring }),
    run: async (effect, { isOver, onStart }) => {
      // What another process waited for is over with it.
      timers = []
      let tasks: Array<() => void> = []
      const scheduler = new Scheduler.MixedScheduler("async", (task) => {
        tasks.push(task)
        return () => {
          tasks = tasks.filter((other) => other !== task)
        }
      })
      const fiber = Effect.runFork(Effect.provideService(effect, Clock.Clock, clock), { scheduler })
      onStart?.(() => fiber.interruptUnsafe())
      let idle = 0
      for (let step = 0; fiber.pollUnsafe() === undefined; step++) {
        if (isOver()) return undefined
        if (step > maxSteps) throw new Error("the run does not end")
        if (tasks.length > 0) {
          idle = 0
          const [task] = tasks.splice(random.below(tasks.length), 1)
          task!()
          continue
        }
        // Modules are imported in real time.
        if (idle++ < 2) {
          await new Promise((resolve) => setImmediate(resolve))
          continue
        }
        const timer = timers.shift()
        if (timer === undefined) {
          if (idle > 10_000) throw new Error("nothing is due, and the run has not ended")
          await new Promise((resolve) => setImmediate(resolve))
          continue
        }
        idle = 1
        now = Math.max(now, timer.at)
        timer.ring()
      }
      return fiber.pollUnsafe()!
    }
  }
}
