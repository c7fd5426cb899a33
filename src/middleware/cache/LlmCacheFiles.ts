/**
 * A store for `LlmCache`: a file for each answer, in a directory that processes may share. A file is whole or it is not
 * there, whenever a process ends.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Persistence from "effect/persistence/Persistence"
import type { PlatformError } from "effect/PlatformError"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** It is made if it is not there. */
  readonly directory: string
}

const Stored = Schema.fromJsonString(Schema.Struct({
  /** In milliseconds. */
  expires: Schema.NullOr(Schema.Finite),
  value: Schema.Record(Schema.String, Schema.Json)
}))

const decode = Schema.decodeUnknownOption(Stored)

/** What a process that was killed may have left half written. */
const abandonedAfter = Duration.hours(1)

/**
 * Files in a directory.
 *
 * **Example** (Answers that outlive the process)
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LlmCache, LlmCacheFiles } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = LlmCache.layer({
 *   store: LlmCacheFiles.layer({ directory: ".cache/answers" }).pipe(Layer.provide(NodeServices.layer))
 * }).pipe(Layer.provide(OpenAi.layerConfig()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<Persistence.BackingPersistence, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Persistence.BackingPersistence)(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const clock = yield* Clock.Clock
    const unfinished = path.join(options.directory, "unfinished")
    yield* fs.makeDirectory(unfinished, { recursive: true })
    yield* Effect.ignore(sweep(fs, path, unfinished, clock.currentTimeMillisUnsafe()))

    return Persistence.BackingPersistence.of({
      make: (storeId) =>
        Effect.sync(() => {
          const root = path.join(options.directory, encodeURIComponent(storeId))
          // Not one directory of a hundred thousand files.
          const folderOf = (key: string): string => path.join(root, encodeURIComponent(key).slice(0, 2))
          const fileOf = (key: string): string => path.join(folderOf(key), `${encodeURIComponent(key)}.json`)

          const get = Effect.fnUntraced(function*(key: string) {
            const text = yield* fs.readFileString(fileOf(key)).pipe(
              Effect.catchReason("PlatformError", "NotFound", () => Effect.undefined)
            )
            if (text === undefined) return undefined
            const stored = decode(text)
            if (Option.isNone(stored)) return undefined
            const { expires, value } = stored.value
            return expires !== null && expires <= clock.currentTimeMillisUnsafe() ? undefined : value
          }, Effect.mapError(failure("read")))

          const set = Effect.fnUntraced(function*(key: string, value: object, ttl: Duration.Duration | undefined) {
            const expires = Persistence.unsafeTtlToExpires(clock, ttl)
            const id = yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)
            const temporary = path.join(unfinished, `${encodeURIComponent(key)}.${id.toString(36)}`)
            const write = Effect.andThen(
              fs.writeFileString(temporary, JSON.stringify({ expires, value })),
              Effect.suspend(() => fs.rename(temporary, fileOf(key)))
            )
            yield* fs.makeDirectory(folderOf(key), { recursive: true })
            yield* Effect.onError(write, () => Effect.ignore(fs.remove(temporary)))
          }, Effect.mapError(failure("write")))

          const remove = (key: string): Effect.Effect<void, Persistence.PersistenceError> =>
            Effect.mapError(fs.remove(fileOf(key), { force: true }), failure("remove"))

          return {
            get,
            getMany: (keys) => Effect.forEach(keys, get, { concurrency: 16 }),
            set,
            setMany: (entries) =>
              Effect.forEach(entries, ([key, value, ttl]) => set(key, value, ttl), { concurrency: 16, discard: true }),
            remove,
            clear: Effect.mapError(fs.remove(root, { recursive: true, force: true }), failure("clear"))
          }
        })
    })
  }))

const failure = (operation: string) => (cause: PlatformError): Persistence.PersistenceError =>
  new Persistence.PersistenceError({ message: `could not ${operation} an answer: ${cause.message}`, cause })

const sweep = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, path: Path.Path, directory: string, now: number) {
  for (const name of yield* fs.readDirectory(directory)) {
    const file = path.join(directory, name)
    const { mtime } = yield* fs.stat(file)
    const isAbandoned = Option.exists(mtime, (time) => now - time.getTime() > Duration.toMillis(abandonedAfter))
    if (isAbandoned) yield* fs.remove(file)
  }
})
