/** Runs an effect on a clock that jumps to the next timer, so that ten minutes take only as long as their work. */
import { Clock, Duration, Effect, Scheduler } from "effect"

interface Timer {
  readonly at: number
  readonly order: number
  readonly ring: () => void
  cancelled: boolean
}

/** A binary heap of timers. */
const makeTimers = () => {
  const heap: Array<Timer> = []
  const before = (a: Timer, b: Timer) => a.at < b.at || a.at === b.at && a.order < b.order
  const swap = (i: number, j: number) => {
    const held = heap[i]!
    heap[i] = heap[j]!
    heap[j] = held
  }
  return {
    add: (timer: Timer): void => {
      let i = heap.push(timer) - 1
      for (let up = (i - 1) >> 1; i > 0 && before(heap[i]!, heap[up]!); i = up, up = (i - 1) >> 1) swap(i, up)
    },
    next: (): Timer | undefined => {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || last === first) return first
      heap[0] = last!
      for (let i = 0;;) {
        let least = i
        for (const child of [2 * i + 1, 2 * i + 2]) {
          if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
        }
        if (least === i) return first
        swap(i, least)
        i = least
      }
    }
  }
}

export const run = <A, E>(effect: Effect.Effect<A, E>): A => {
  const timers = makeTimers()
  let tasks: Array<() => void> = []
  let now = 1_000_000
  let order = 0
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    sleep: (duration) =>
      Effect.callback((resume) => {
        const timer: Timer = {
          at: now + Math.max(0, Math.ceil(Duration.toMillis(duration))),
          order: order++,
          ring: () => resume(Effect.void),
          cancelled: false
        }
        timers.add(timer)
        return Effect.sync(() => {
          timer.cancelled = true
        })
      })
  }
  const scheduler = new Scheduler.MixedScheduler("async", (task) => {
    tasks.push(task)
    return () => {
      tasks = tasks.filter((other) => other !== task)
    }
  })
  const fiber = Effect.runFork(Effect.provideService(effect, Clock.Clock, clock), { scheduler })
  while (fiber.pollUnsafe() === undefined) {
    if (tasks.length > 0) {
      const due = tasks
      tasks = []
      for (const task of due) task()
      continue
    }
    const timer = timers.next()
    if (timer === undefined) throw new Error("nothing is due, and the program has not ended")
    if (timer.cancelled) continue
    now = timer.at
    timer.ring()
  }
  const exit = fiber.pollUnsafe()!
  if (exit._tag === "Failure") throw new Error(String(exit.cause))
  return exit.value
}
