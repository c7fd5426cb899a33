/**
 * Runs many inputs in a limited number of fibers. A fiber takes its next input when it is free, so that waiting inputs
 * need no memory, except for one chunk of the source that is read ahead.
 *
 * Written by hand: `Stream.mapEffect` cannot stop taking inputs and still finish those in flight, gives them no grace
 * period, and starts a fiber for each input.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

/** Lets the handler of an input control the pool. */
export interface Control<in Out, in EStop> {
  /** Takes no further input, lets those in flight finish, and then fails the stream with the first reason. */
  readonly stop: (reason: EStop) => void
  /** Emits a result before the handler ends. `turn` is the turn of its input. */
  readonly emit: (turn: number, result: Out) => Effect.Effect<void>
}

export interface Options<In, Out, EStop, R> {
  readonly concurrency: number
  readonly ordered: boolean
  /** Handles one input, and returns what to emit or `undefined`. A failure stops the run. */
  readonly handle: (input: In, control: Control<Out, EStop>, turn: number) => Effect.Effect<Out | undefined, EStop, R>
  /** Stops the run after a time. */
  readonly timeout: {
    readonly after: Duration.Input
    readonly reason: EStop
    /** How long inputs in flight may continue afterwards. */
    readonly grace: Duration.Input
  } | undefined
  /** How long inputs in flight may continue after the consumer of the results was interrupted. */
  readonly abandonedGrace: Duration.Input | undefined
}

/** Results that wait for a slow consumer, besides one for each fiber and those that the consumer has taken. */
const bufferSize = 16

interface State<In, Out, EStop, E> {
  readonly results: Queue.Queue<Out, E | EStop | Cause.Done>
  readonly turns: Turns | undefined
  readonly handling: Set<Fiber.Fiber<unknown, unknown>>
  /** Opens when the last fiber has ended. */
  readonly idle: Latch.Latch
  chunk: ReadonlyArray<In>
  position: number
  taken: number
  ended: boolean
  running: number
  puller: Fiber.Fiber<unknown, unknown> | undefined
  failure: Cause.Cause<E | EStop> | undefined
}

export const run = <In, Out, E, EStop, R, R2>(
  source: Stream.Stream<In, E, R>,
  options: Options<In, Out, EStop, R2>
): Stream.Stream<Out, E | EStop, R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const pull = yield* Stream.toPull(source)
    const workers = yield* Scope.make()
    const state: State<In, Out, EStop, E> = {
      results: yield* Queue.bounded<Out, E | EStop | Cause.Done>(bufferSize),
      turns: options.ordered ? makeTurns() : undefined,
      handling: new Set(),
      idle: Latch.makeUnsafe(false),
      chunk: [],
      position: 0,
      taken: 0,
      ended: false,
      running: 0,
      puller: undefined,
      failure: undefined
    }
    const start: (count: number) => Effect.Effect<void, never, R | R2> = Effect.fnUntraced(function*(count) {
      state.running += count
      for (let i = 0; i < count; i++) yield* Effect.forkIn(work, workers)
    })
    const work: Effect.Effect<void, EStop, R | R2> = makeWork(
      state,
      options,
      makeRefill(state, pull, options.concurrency, start)
    )

    yield* Effect.addFinalizer(() => finish(state, workers, options.abandonedGrace))
    if (options.timeout !== undefined) yield* Effect.forkScoped(expire(state, options.timeout))
    yield* start(1)
    return Stream.fromQueue(state.results)
  }))

/** Takes no further input. The first cause is kept. */
const end = <In, Out, EStop, E>(state: State<In, Out, EStop, E>, cause?: Cause.Cause<E | EStop>): void => {
  state.failure ??= cause
  state.ended = true
  state.chunk = []
  state.position = 0
  // A source may wait for a long time, for a line from a terminal for example.
  state.puller?.interruptUnsafe()
}

const makeRefill = <In, Out, E, EStop, R, R2>(
  state: State<In, Out, EStop, E>,
  pull: Pull.Pull<ReadonlyArray<In>, E, void, R>,
  concurrency: number,
  start: (count: number) => Effect.Effect<void, never, R | R2>
): Effect.Effect<void, never, R | R2> =>
  Semaphore.makeUnsafe(1).withPermit(Effect.withFiber((fiber) => {
    if (state.ended || state.position < state.chunk.length) return Effect.void
    state.puller = fiber
    const pulled = (cause?: Cause.Cause<E>): Effect.Effect<void> =>
      Effect.sync(() => {
        state.puller = undefined
        end(state, cause)
      })
    return Pull.matchEffect(pull, {
      onSuccess: (next) => {
        state.puller = undefined
        if (state.ended) return Effect.void
        state.chunk = next
        state.position = 0
        // One for each input, so that another fiber can pull while this one is busy.
        return start(Math.min(next.length, concurrency - state.running))
      },
      onFailure: pulled,
      onDone: () => pulled()
    })
  }))

const makeWork = <In, Out, E, EStop, R, R2>(
  state: State<In, Out, EStop, E>,
  { handle }: Options<In, Out, EStop, R2>,
  refill: Effect.Effect<void, never, R | R2>
): Effect.Effect<void, EStop, R | R2> => {
  const { handling, idle, results, turns } = state
  const offer = (result: Out): Effect.Effect<void> =>
    Effect.suspend(() => Queue.offerUnsafe(results, result) ? Effect.void : Effect.asVoid(Queue.offer(results, result)))
  const control: Control<Out, EStop> = {
    stop: (reason) => end(state, Cause.fail(reason)),
    emit: (turn, result) => turns === undefined ? offer(result) : Effect.andThen(turns.wait(turn), offer(result))
  }

  return Effect.withFiber((fiber) =>
    Effect.gen(function*() {
      while (true) {
        while (state.position >= state.chunk.length) {
          if (state.ended) return
          yield* refill
        }
        const input = state.chunk[state.position++]!
        const turn = state.taken++
        handling.add(fiber)
        const handled = handle(input, control, turn)
        const result = yield* turns === undefined ? handled : turns.passOnFailure(turn, handled)
        handling.delete(fiber)
        if (turns !== undefined) yield* turns.wait(turn)
        if (result !== undefined && !Queue.offerUnsafe(results, result)) yield* Queue.offer(results, result)
        if (turns !== undefined) turns.pass(turn)
      }
    }).pipe(Effect.onExit((exit) => {
      handling.delete(fiber)
      if (Exit.isFailure(exit)) end(state, exit.cause)
      if (--state.running > 0) return Effect.void
      idle.openUnsafe()
      return state.failure === undefined ? Queue.end(results) : Queue.failCause(results, state.failure)
    }))
  )
}

/** Stops the run after its timeout, and interrupts the inputs that are still in flight after the grace period. */
const expire = Effect.fnUntraced(function*<In, Out, EStop, E>(
  state: State<In, Out, EStop, E>,
  { after, grace, reason }: NonNullable<Options<In, Out, EStop, never>["timeout"]>
) {
  yield* Effect.sleep(after)
  if (!state.ended) end(state, Cause.fail(reason))
  yield* Effect.sleep(grace)
  // Fibers that wait for a slow consumer are not among them. A source that has ended has set no failure.
  if (state.handling.size > 0) end(state, Cause.fail(reason))
  for (const fiber of state.handling) fiber.interruptUnsafe()
})

const finish = <In, Out, EStop, E>(
  state: State<In, Out, EStop, E>,
  workers: Scope.Closeable,
  abandonedGrace: Duration.Input | undefined
): Effect.Effect<void> =>
  Effect.suspend(() => {
    end(state)
    Queue.shutdownUnsafe(state.results)
    const interrupted = Scope.close(workers, Exit.void)
    return state.running === 0 || abandonedGrace === undefined
      ? interrupted
      : Effect.andThen(Effect.timeoutOption(Effect.interruptible(state.idle.await), abandonedGrace), interrupted)
  })

/** The order of the inputs, in which results are emitted. */
interface Turns {
  readonly wait: (turn: number) => Effect.Effect<void>
  readonly pass: (turn: number) => void
  /** Passes the turn of an input that fails, so that others do not wait for it. */
  readonly passOnFailure: <A, E, R>(turn: number, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const makeTurns = (): Turns => {
  const waiting = new Map<number, Latch.Latch>()
  const passed = new Set<number>()
  let current = 0
  const pass = (turn: number): void => {
    passed.add(turn)
    while (passed.delete(current)) current++
    waiting.get(current)?.openUnsafe()
  }
  return {
    wait: (turn) => {
      if (turn === current) return Effect.void
      const latch = Latch.makeUnsafe(false)
      waiting.set(turn, latch)
      return Effect.ensuring(latch.await, Effect.sync(() => waiting.delete(turn)))
    },
    pass,
    passOnFailure: (turn, effect) =>
      Effect.onExit(effect, (exit) => {
        if (Exit.isFailure(exit)) pass(turn)
        return Effect.void
      })
  }
}
