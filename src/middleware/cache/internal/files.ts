/**
 * A store in files. Names of directories and files are digests, so that no id can leave the directory, exceed the length
 * of a file name, or be mixed up with another on a file system that ignores case.
 *
 * Written by hand: `Persistence.layerBackingKvs` over `KeyValueStore.layerFileSystem` writes files in place, so that a
 * process that is killed leaves half an answer, keeps all files in one directory, and lets other users read them.
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
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { digest } from "./cacheKey.ts"

const Stored = Schema.fromJsonString(Schema.Struct({
  /** In milliseconds. */
  expires: Schema.NullOr(Schema.Finite),
  value: Schema.Record(Schema.String, Schema.Json)
}))

const decode = Schema.decodeUnknownOption(Stored)

/** Files that a killed process left unfinished are removed after this time. */
const abandonedAfter = Duration.hours(1)

const privateFile = 0o600
const privateDirectory = 0o700

interface Directory {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly clock: Clock.Clock
  readonly root: string
  /** Files are written here, and then moved into place. */
  readonly unfinished: string
}

export const layer = (
  options: { readonly directory: string }
): Layer.Layer<Persistence.BackingPersistence, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Persistence.BackingPersistence)(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const clock = yield* Clock.Clock
    const root = options.directory
    const directory: Directory = { fs, path, clock, root, unfinished: path.join(root, "unfinished") }
    yield* fs.makeDirectory(directory.unfinished, { recursive: true, mode: privateDirectory })
    yield* Effect.ignore(sweep(directory))
    return Persistence.BackingPersistence.of({ make: (storeId) => makeStore(directory, storeId) })
  }))

const makeStore = Effect.fnUntraced(function*(
  directory: Directory,
  storeId: string
): Effect.fn.Return<Persistence.BackingPersistenceStore> {
  const { clock, fs, path } = directory
  const folder = path.join(directory.root, yield* digest(storeId))

  const fileOf = Effect.fnUntraced(function*(key: string) {
    const name = yield* digest(key)
    // Not one directory with a hundred thousand files.
    return path.join(folder, name.slice(0, 2), `${name}.json`)
  })

  const get = Effect.fnUntraced(function*(key: string) {
    const text = yield* fs.readFileString(yield* fileOf(key)).pipe(
      Effect.catchReason("PlatformError", "NotFound", () => Effect.undefined)
    )
    const stored = text === undefined ? Option.none() : decode(text)
    if (Option.isNone(stored)) return undefined
    const { expires, value } = stored.value
    return expires !== null && expires <= clock.currentTimeMillisUnsafe() ? undefined : value
  }, Effect.mapError(failure("read")))

  const set = Effect.fnUntraced(function*(key: string, value: object, ttl: Duration.Duration | undefined) {
    const expires = Persistence.unsafeTtlToExpires(clock, ttl)
    const text = yield* stringify({ expires, value })
    yield* Effect.mapError(replace(directory, yield* fileOf(key), text), failure("written"))
  })

  const remove = (key: string): Effect.Effect<void, Persistence.PersistenceError> =>
    Effect.mapError(Effect.flatMap(fileOf(key), (file) => fs.remove(file, { force: true })), failure("removed"))

  return {
    get,
    getMany: (keys) => Effect.forEach(keys, get, { concurrency: 16 }),
    set,
    setMany: (entries) =>
      Effect.forEach(entries, ([key, value, ttl]) => set(key, value, ttl), { concurrency: 16, discard: true }),
    remove,
    clear: Effect.mapError(fs.remove(folder, { recursive: true, force: true }), failure("removed"))
  }
})

/** Puts a file in place as a whole. */
const replace = Effect.fnUntraced(function*({ fs, path, unfinished }: Directory, file: string, text: string) {
  const id = yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)
  const temporary = path.join(unfinished, `${path.basename(file)}.${id.toString(36)}`)
  const write = Effect.andThen(
    fs.writeFileString(temporary, text, { flag: "wx", mode: privateFile }),
    fs.rename(temporary, file)
  )
  yield* fs.makeDirectory(path.dirname(file), { recursive: true, mode: privateDirectory })
  yield* Effect.onError(write, () => Effect.ignore(fs.remove(temporary)))
})

const stringify = (value: unknown): Effect.Effect<string, Persistence.PersistenceError> =>
  Effect.fromResult(Result.try({
    try: () => JSON.stringify(value),
    catch: (cause) =>
      new Persistence.PersistenceError({ message: `An answer could not be encoded: ${String(cause)}`, cause })
  }))

const failure = (operation: string) => (cause: PlatformError): Persistence.PersistenceError =>
  new Persistence.PersistenceError({ message: `An answer could not be ${operation}: ${cause.message}`, cause })

const sweep = Effect.fnUntraced(function*({ clock, fs, path, unfinished }: Directory) {
  const now = clock.currentTimeMillisUnsafe()
  for (const name of yield* fs.readDirectory(unfinished)) {
    const file = path.join(unfinished, name)
    const { mtime } = yield* fs.stat(file)
    const isAbandoned = Option.exists(mtime, (time) => now - time.getTime() > Duration.toMillis(abandonedAfter))
    if (isAbandoned) yield* fs.remove(file)
  }
})
