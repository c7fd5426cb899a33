/**
 * Files beside an output, which replace it once they are complete. Their names are random and they are created
 * exclusively, so that no other file is overwritten and no symbolic link is followed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as NodePath from "node:path"

export interface TemporaryFile {
  readonly path: string
  readonly file: FileSystem.File
}

/** Answers may be confidential. */
export const privateFile = 0o600

/** The beginning of the names for an output. It is short, because the name of an output may be as long as one can be. */
const prefixOf = (target: string): string =>
  `.effect-instructor-${Crypto.hash("sha256", NodePath.basename(target), "hex").slice(0, 16)}-`

const suffix = ".tmp"

/** Creates a file in the folder of `target`. It is removed with the scope, unless it was renamed by then. */
export const create = (
  target: string
): Effect.Effect<TemporaryFile, PlatformError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const name = `${prefixOf(target)}${Crypto.randomBytes(8).toString("hex")}${suffix}`
    const path = NodePath.join(NodePath.dirname(target), name)
    const file = yield* fs.open(path, { flag: "wx+", mode: privateFile })
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(path)))
    return { path, file }
  })

/** Removes what a killed process has left of an earlier attempt. */
export const removeLeftovers = Effect.fnUntraced(function*(
  target: string
): Effect.fn.Return<void, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const folder = NodePath.dirname(target)
  const prefix = prefixOf(target)
  const names = yield* Effect.orElseSucceed(fs.readDirectory(folder), () => [])
  const left = names.filter((name) => name.startsWith(prefix) && /^[0-9a-f]{16}\.tmp$/.test(name.slice(prefix.length)))
  yield* Effect.forEach(left, (name) => Effect.ignore(fs.remove(NodePath.join(folder, name))), { discard: true })
})

/** Puts a temporary file in the place of `target`, with its permissions. Afterwards it survives a power failure. */
export const replace = Effect.fnUntraced(function*(
  { file, path }: TemporaryFile,
  target: string
): Effect.fn.Return<void, PlatformError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const old = yield* Effect.option(fs.stat(target))
  if (old._tag === "Some") {
    const { gid, mode, uid } = old.value
    // Only a superuser can give a file away, and only a superuser has a file of another user to give back.
    if (uid._tag === "Some" && gid._tag === "Some") yield* Effect.ignore(fs.chown(path, uid.value, gid.value))
    yield* Effect.ignore(fs.chmod(path, mode & 0o777))
  }
  yield* file.sync
  yield* fs.rename(path, target)
  yield* syncFolder(target)
})

/** The entry of a file in its folder has to be synced as well, on systems where that is possible. */
export const syncFolder = (path: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.open(NodePath.dirname(path), { flag: "r" })).pipe(
    Effect.flatMap((folder) => folder.sync),
    Effect.scoped,
    Effect.ignore
  )
