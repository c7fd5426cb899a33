/**
 * The side of a cache that outlives its process. Whatever goes wrong with it, for the cache it is an answer that is not
 * there: a store is worth a warning, never a failed extraction.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Completion } from "../../../llm/Completion.ts"
import * as CacheKey from "./cacheKey.ts"

export interface Entry extends Schema.Schema.Type<typeof Entry> {}

export const Entry = Schema.Struct({
  /** The user's version of the answers. */
  version: Schema.String,
  /** When it was written, in milliseconds. */
  at: Schema.Finite,
  completion: Completion
})

export interface CacheStore {
  readonly read: (key: string) => Effect.Effect<Entry | undefined>
  readonly write: (key: string, entry: Entry) => Effect.Effect<void>
  readonly remove: (key: string) => Effect.Effect<void>
}

const codec = Schema.toCodecJson(Entry)
const decode = Schema.decodeUnknownOption(codec)
const encode = Schema.encodeUnknownOption(codec)

/** Changes when what is stored does, so that versions of this library that share a store do not mix. */
const format = 1

const openTimeout = Duration.seconds(10)

/** How long a store that did not answer in time is left alone: not every request shall wait for it. */
const pauseMillis = 10_000

export interface Options<R> {
  readonly layer: Layer.Layer<Persistence.BackingPersistence, unknown, R>
  readonly namespace: string
  readonly timeToLive: Duration.Duration | undefined
  readonly timeout: Duration.Duration
  readonly onFailure: () => void
}

/** Nothing, if the store cannot be opened. */
export const open = Effect.fnUntraced(function*<R>(
  options: Options<R>
): Effect.fn.Return<CacheStore | undefined, never, R | Scope.Scope> {
  const { onFailure, timeToLive, timeout } = options
  const opened = yield* Layer.build(options.layer).pipe(
    Effect.flatMap((context) =>
      Context.get(context, Persistence.BackingPersistence)
        .make(`effect-instructor/${format}/${options.namespace}`)
    ),
    Effect.timeout(openTimeout),
    Effect.exit
  )
  if (opened._tag === "Failure") {
    if (Cause.hasInterruptsOnly(opened.cause)) return yield* Effect.interrupt
    onFailure()
    yield* Effect.logWarning("The cache's store cannot be opened. Answers are kept in memory only", opened.cause)
    return undefined
  }
  const store = opened.value
  let pausedUntil = 0
  let isFailing = false

  /** Runs an operation of the store; `undefined` where it gives nothing in time. */
  const attempt = <A>(
    what: string,
    operation: Effect.Effect<A, Persistence.PersistenceError>
  ): Effect.Effect<A | undefined> =>
    Clock.clockWith((clock) => {
      if (clock.currentTimeMillisUnsafe() < pausedUntil) return Effect.undefined
      return operation.pipe(
        Effect.tap(() => {
          isFailing = false
          return Effect.void
        }),
        within(timeout, () => {
          pausedUntil = clock.currentTimeMillisUnsafe() + pauseMillis
          return new Persistence.PersistenceError({ message: `no answer within ${Duration.format(timeout)}` })
        }),
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          onFailure()
          // A store that is down is told of once, not for each of ten thousand requests.
          if (isFailing) return Effect.undefined
          isFailing = true
          return Effect.as(
            Effect.logWarning(`The cache's store could not be ${what}. Going on without it`, cause),
            undefined
          )
        })
      )
    })

  return {
    read: Effect.fnUntraced(function*(key) {
      const value = yield* attempt("read", store.get(yield* CacheKey.digest(key)))
      return value === undefined ? undefined : Option.getOrUndefined(decode(value))
    }),
    write: Effect.fnUntraced(function*(key, entry) {
      const encoded = encode(entry)
      if (Option.isSome(encoded)) {
        yield* attempt("written", store.set(yield* CacheKey.digest(key), encoded.value as object, timeToLive))
      }
    }),
    remove: Effect.fnUntraced(function*(key) {
      yield* attempt("written", store.remove(yield* CacheKey.digest(key)))
    })
  }
})

/** A deadline, whose clock is only set for what does not end at once. */
const within = <E>(duration: Duration.Duration, orElse: () => E) => <A, E2>(self: Effect.Effect<A, E2>) =>
  Effect.flatMap(
    Effect.forkChild(self, { startImmediately: true }),
    (fiber): Effect.Effect<A, E | E2> =>
      fiber.pollUnsafe() ?? Effect.timeoutOrElse(Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber)), {
        duration,
        orElse: () => Effect.fail(orElse())
      })
  )
