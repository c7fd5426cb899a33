/**
 * Many inputs through a bounded number of fibers. A fiber takes the next input when it is free and not before, so
 * nothing is held for an input that waits: what is read ahead is one chunk of the source.
 *
 * Not `Stream.mapEffect`, because a batch can stop taking on inputs and yet finish those it has begun.
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

export interface Options<In, Out, EStop, R> {
  readonly concurrency: number
  readonly ordered: boolean
  /**
   * Handles one input. `undefined` puts nothing out for it. A failure stops the run, and so does calling `stop`: no
   * input is taken on any more, those in flight are finished, and the stream fails with the first reason.
   */
  readonly handle: (input: In, stop: (reason: EStop) => void) => Effect.Effect<Out | undefined, EStop, R>
  /** Stops the run by itself. */
  readonly timeout: {
    readonly after: Duration.Input
    readonly reason: EStop
    /** How long what is in flight may go on afterwards. */
    readonly grace: Duration.Input
  } | undefined
  /** How long what is in flight may go on when nobody takes the results any more. */
  readonly abandonedGrace: Duration.Input | undefined
}

/** Results that wait for a slow consumer, beside the one each fiber holds and as many as the consumer has taken. */
const bufferSize = 16

export const run = <In, Out, E, EStop, R, R2>(
  source: Stream.Stream<In, E, R>,
  options: Options<In, Out, EStop, R2>
): Stream.Stream<Out, E | EStop, R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const pull = yield* Stream.toPull(source)
    const results = yield* Queue.bounded<Out, E | EStop | Cause.Done>(bufferSize)
    const workers = yield* Scope.make()
    const pulling = Semaphore.makeUnsafe(1)
    const idle = Latch.makeUnsafe(false)
    const handling = new Set<Fiber.Fiber<unknown, unknown>>()
    const turns = options.ordered ? makeTurns() : undefined
    let chunk: ReadonlyArray<In> = []
    let position = 0
    let taken = 0
    let ended = false
    let running = 0
    let puller: Fiber.Fiber<unknown, unknown> | undefined
    let failure: Cause.Cause<E | EStop> | undefined

    /** Takes on nothing more. The first reason is the one that counts. */
    const end = (cause?: Cause.Cause<E | EStop>): void => {
      failure ??= cause
      ended = true
      chunk = []
      position = 0
      // A source may wait for ever, for a line from a terminal say.
      puller?.interruptUnsafe()
    }

    const stop = (reason: EStop): void => end(Cause.fail(reason))

    const refill: Effect.Effect<void, never, R2> = pulling.withPermit(Effect.withFiber((fiber) => {
      if (ended || position < chunk.length) return Effect.void
      puller = fiber
      return Pull.matchEffect(pull, {
        onSuccess: (next) => {
          puller = undefined
          if (ended) return Effect.void
          chunk = next
          position = 0
          // One for each input, and one to pull while this fiber is busy with its own.
          return start(Math.min(next.length, options.concurrency - running))
        },
        onFailure: (cause) =>
          Effect.sync(() => {
            puller = undefined
            end(cause)
          }),
        onDone: () =>
          Effect.sync(() => {
            puller = undefined
            end()
          })
      })
    }))

    const work: Effect.Effect<void, EStop, R2> = Effect.withFiber((fiber) =>
      Effect.gen(function*() {
        while (true) {
          while (position >= chunk.length) {
            if (ended) return
            yield* refill
          }
          const input = chunk[position++]!
          const turn = taken++
          handling.add(fiber)
          const handled = options.handle(input, stop)
          const result = yield* turns === undefined ? handled : turns.passOnFailure(turn, handled)
          handling.delete(fiber)
          if (turns !== undefined) yield* turns.wait(turn)
          if (result !== undefined && !Queue.offerUnsafe(results, result)) yield* Queue.offer(results, result)
          if (turns !== undefined) turns.pass(turn)
        }
      }).pipe(Effect.onExit((exit) => {
        handling.delete(fiber)
        if (Exit.isFailure(exit)) end(exit.cause)
        if (--running > 0) return Effect.void
        idle.openUnsafe()
        return failure === undefined ? Queue.end(results) : Queue.failCause(results, failure)
      }))
    )

    const start = Effect.fnUntraced(function*(count: number) {
      running += count
      for (let i = 0; i < count; i++) yield* Effect.forkIn(work, workers)
    })

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        end()
        Queue.shutdownUnsafe(results)
        const { abandonedGrace } = options
        const interrupted = Scope.close(workers, Exit.void)
        return running === 0 || abandonedGrace === undefined
          ? interrupted
          : Effect.andThen(Effect.timeoutOption(Effect.interruptible(idle.await), abandonedGrace), interrupted)
      })
    )

    const { timeout } = options
    if (timeout !== undefined) {
      yield* Effect.forkScoped(Effect.gen(function*() {
        yield* Effect.sleep(timeout.after)
        if (!ended) stop(timeout.reason)
        yield* Effect.sleep(timeout.grace)
        // Not those that wait for a slow consumer: theirs is done.
        if (handling.size > 0) stop(timeout.reason)
        for (const fiber of handling) fiber.interruptUnsafe()
      }))
    }

    yield* start(1)
    return Stream.fromQueue(results)
  }))

/** Lets results out in the order of their inputs, whichever is there first. */
interface Turns {
  readonly wait: (turn: number) => Effect.Effect<void>
  readonly pass: (turn: number) => void
  /** A failed input gives up its turn, for others must not wait for it. */
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
