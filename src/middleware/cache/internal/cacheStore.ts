/**
 * The store of a cache, which outlives its process. A store that fails is a cache that misses: it costs a warning, never
 * a failed extraction. An entry that was damaged, or that belongs to another key, is no entry.
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
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Completion } from "../../../llm/Completion.ts"
import * as CacheKey from "./cacheKey.ts"

export interface Entry extends Schema.Schema.Type<typeof Entry> {}

export const Entry = Schema.Struct({
  /** The user's version of the answers. */
  version: Schema.String,
  /** The time of the answer, in milliseconds. */
  at: Schema.Finite,
  completion: Completion
})

/** An entry as it is stored: its JSON, and a digest of the key and the JSON. */
const Stored = Schema.Struct({ digest: Schema.String, entry: Schema.String })

export interface CacheStore {
  readonly read: (key: string) => Effect.Effect<Entry | undefined>
  readonly write: (key: string, entry: Entry) => Effect.Effect<void>
  readonly remove: (key: string) => Effect.Effect<void>
}

const decodeStored = Schema.decodeUnknownOption(Stored)
const decodeEntry = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.toCodecJson(Entry)))
const encodeEntry = Schema.encodeUnknownOption(Schema.fromJsonString(Schema.toCodecJson(Entry)))

/** Changes with the form of what is stored, so that versions of this library can share a store. */
const format = 2

const openTimeout = Duration.seconds(10)

/** After an operation that took too long, the store is left alone for this time, so that not every request waits. */
const pauseMillis = 10_000

export interface Options<R> {
  readonly layer: Layer.Layer<Persistence.BackingPersistence, unknown, R>
  readonly namespace: string
  readonly timeToLive: Duration.Duration | undefined
  readonly timeout: Duration.Duration
  readonly onFailure: () => void
}

/** Opens a store. Returns nothing if that fails. */
export const open = Effect.fnUntraced(function*<R>(
  options: Options<R>
): Effect.fn.Return<CacheStore | undefined, never, R | Scope.Scope> {
  const opened = yield* Layer.build(options.layer).pipe(
    Effect.flatMap((context) =>
      Context.get(context, Persistence.BackingPersistence)
        .make(`effect-instructor/${format}/${options.namespace}`)
    ),
    Effect.timeout(openTimeout),
    Effect.exit
  )
  if (opened._tag === "Success") return make(opened.value, options)
  if (Cause.hasInterruptsOnly(opened.cause)) return yield* Effect.interrupt
  options.onFailure()
  yield* Effect.logWarning("The store of the cache cannot be opened. Answers are kept in memory only", opened.cause)
  return undefined
})

const make = <R>(
  store: Persistence.BackingPersistenceStore,
  { onFailure, timeToLive, timeout }: Options<R>
): CacheStore => {
  const attempt = makeAttempt(timeout, onFailure)

  const read = Effect.fnUntraced(function*(key: string) {
    const id = yield* CacheKey.inStore(key)
    const stored = decodeStored(yield* attempt("read", store.get(id)))
    if (Option.isNone(stored)) return undefined
    const { digest, entry } = stored.value
    if (digest !== (yield* CacheKey.digest(id + entry))) return undefined
    return Option.getOrUndefined(decodeEntry(entry))
  })

  const write = Effect.fnUntraced(function*(key: string, entry: Entry) {
    const encoded = encode(entry)
    if (encoded === undefined) return
    const id = yield* CacheKey.inStore(key)
    const stored = { digest: yield* CacheKey.digest(id + encoded), entry: encoded }
    yield* attempt("written", store.set(id, stored, timeToLive))
  })

  const remove = Effect.fnUntraced(function*(key: string) {
    yield* attempt("written", store.remove(yield* CacheKey.inStore(key)))
  })

  return { read, write, remove }
}

/** Nothing for data of the provider that cannot be encoded, such as JSON that is nested too deep. */
const encode = (entry: Entry): string | undefined =>
  Option.getOrUndefined(Option.flatten(Result.getSuccess(Result.try(() => encodeEntry(entry)))))

/** Runs operations of a store. The result is `undefined` for one that fails or takes too long. */
const makeAttempt = (timeout: Duration.Duration, onFailure: () => void) => {
  let pausedUntil = 0
  let isFailing = false

  const failed = (operation: string, cause: Cause.Cause<Persistence.PersistenceError>): Effect.Effect<undefined> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
    onFailure()
    // One warning when the store goes down, not one for each of ten thousand requests.
    if (isFailing) return Effect.undefined
    isFailing = true
    return Effect.as(
      Effect.logWarning(`The store of the cache could not be ${operation}. Continuing without it`, cause),
      undefined
    )
  }

  return <A>(
    operation: string,
    run: Effect.Effect<A, Persistence.PersistenceError>
  ): Effect.Effect<A | undefined> =>
    Clock.clockWith((clock) => {
      if (clock.currentTimeMillisUnsafe() < pausedUntil) return Effect.undefined
      return run.pipe(
        Effect.tap(() => {
          isFailing = false
          return Effect.void
        }),
        within(timeout, () => {
          pausedUntil = clock.currentTimeMillisUnsafe() + pauseMillis
          return new Persistence.PersistenceError({ message: `no answer within ${Duration.format(timeout)}` })
        }),
        Effect.catchCause((cause) => failed(operation, cause))
      )
    })
}

/** A timeout that sets its timer only for effects that do not end synchronously. */
const within = <E>(duration: Duration.Duration, orElse: () => E) => <A, E2>(self: Effect.Effect<A, E2>) =>
  Effect.flatMap(
    Effect.forkChild(self, { startImmediately: true }),
    (fiber): Effect.Effect<A, E | E2> =>
      fiber.pollUnsafe() ?? Effect.timeoutOrElse(Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber)), {
        duration,
        orElse: () => Effect.fail(orElse())
      })
  )
