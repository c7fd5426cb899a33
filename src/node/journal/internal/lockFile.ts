/**
 * A file beside the journal that names the process that uses it. Operating systems do not remove it when a process is
 * killed, so the next process finds out whether the named one still runs.
 *
 * Written by hand: `proper-lockfile` renews its lock by a timer, so a busy event loop loses it, and a lock of a killed
 * process holds up the next one until it expires.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Os from "node:os"
import * as Process from "node:process"
import { FileFailure, JournalError, Locked } from "../../../batch/JournalError.ts"
import { fileFailure } from "./fileFailure.ts"

/** A process, in a way that a later one with the same number is not mistaken for it. */
const Holder = Schema.fromJsonString(Schema.Struct({
  // Process 0 and negative numbers are groups of processes, which exist in any case.
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  host: Schema.String,
  /** The time of its start, in the system's own count; null where the system does not tell. */
  began: Schema.NullOr(Schema.String)
}))

type Holder = typeof Holder.Type

/** A lock file that lost content, or a part of it, with the power of the machine. */
const isOurs = (text: string): boolean => text.startsWith(`{"pid":`) || /^\0*$/.test(text)

const privateFile = 0o600

/** Holds the lock for the lifetime of the scope, or fails with its holder. */
export const acquire = (
  path: string
): Effect.Effect<void, JournalError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.acquireRelease(Effect.uninterruptible(take(path)), (content) => release(path, content))

/** Removes the lock, unless another process has taken it over in the meantime. */
const release = Effect.fnUntraced(function*(path: string, content: string) {
  const fs = yield* FileSystem.FileSystem
  const lock = lockOf(path)
  if ((yield* fs.readFileString(lock)) === content) yield* fs.remove(lock)
}, (released) => Effect.ignore(released))

const lockOf = (path: string): string => `${path}.lock`

let taken = 0

const take = Effect.fnUntraced(function*(path: string): Effect.fn.Return<string, JournalError, FileSystem.FileSystem> {
  const lock = lockOf(path)
  const me: Holder = { pid: Process.pid, host: Os.hostname(), began: yield* beganAt(Process.pid) }
  const content = yield* Effect.orDie(Schema.encodeEffect(Holder)(me))
  const mine = `${lock}.${Process.pid}.${++taken}`
  for (let attempt = 0; attempt < 10; attempt++) {
    if (yield* link({ lock, mine, content })) return content
    const found = yield* read(lock)
    if (found === undefined) continue
    const holder = Schema.decodeOption(Holder)(found)
    if (Option.isSome(holder) && (yield* isAlive(holder.value, me))) return yield* lockedBy(path, holder.value, me)
    if (Option.isNone(holder) && !isOurs(found)) return yield* obstructed(lock, "it is a file of something else")
    yield* removeStale({ lock, mine, found })
  }
  return yield* new JournalError({ reason: new Locked({ path, holder: "processes that begin at the same time" }) })
})

interface Attempt {
  readonly lock: string
  /** A name that no other attempt uses. */
  readonly mine: string
}

/** Creates the lock file, unless there is one. A link appears with its content, unlike a file that is being written. */
const link = Effect.fnUntraced(function*({ content, lock, mine }: Attempt & { readonly content: string }) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(mine, content, { mode: privateFile })
  return yield* fs.link(mine, lock).pipe(
    Effect.as(true),
    Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    Effect.ensuring(Effect.ignore(fs.remove(mine)))
  )
}, (effect, { lock }) => Effect.mapError(effect, fileFailure(lock)("written")))

/** The content of the lock file, or nothing if it was just released. */
const read = Effect.fnUntraced(function*(
  lock: string
): Effect.fn.Return<string | undefined, JournalError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const read = yield* Effect.result(fs.readFileString(lock))
  if (read._tag === "Success") return read.success
  const found = yield* Effect.option(fs.lstat(lock))
  if (Option.isNone(found)) return undefined
  switch (found.value.type) {
    case "Directory":
      return yield* obstructed(lock, "there is a directory of this name")
    case "SymbolicLink":
      return yield* obstructed(lock, "there is a symbolic link of this name, to a file that does not exist")
    default:
      return yield* fileFailure(lock)("read")(read.failure)
  }
})

const obstructed = (lock: string, description: string): JournalError =>
  new JournalError({
    reason: new FileFailure({ path: lock, operation: "created", description: `${description}. Remove it` })
  })

const lockedBy = (path: string, { host, pid }: Holder, me: Holder): JournalError => {
  const elsewhere = host === me.host ? "" : ` on ${host}; if that process has ended, remove ${lockOf(path)}`
  return new JournalError({ reason: new Locked({ path, holder: `process ${pid}${elsewhere}` }) })
}

/** Only one process succeeds in renaming the file. It may by then be the lock of another process that was faster. */
const removeStale = Effect.fnUntraced(function*({ found, lock, mine }: Attempt & { readonly found: string }) {
  const fs = yield* FileSystem.FileSystem
  const stale = `${mine}.stale`
  if (!(yield* Effect.isSuccess(fs.rename(lock, stale)))) return
  const renamed = yield* Effect.option(fs.readFileString(stale))
  if (Option.getOrUndefined(renamed) !== found) yield* Effect.ignore(fs.link(stale, lock))
  yield* Effect.ignore(fs.remove(stale))
})

const isAlive = Effect.fnUntraced(function*(holder: Holder, me: Holder) {
  if (holder.host !== me.host) return true
  const answered = yield* Effect.result(Effect.try({
    try: () => Process.kill(holder.pid, 0),
    catch: (error) => (error as NodeJS.ErrnoException).code
  }))
  // A process of another user exists, but may not be signalled.
  if (answered._tag === "Failure" && answered.failure !== "EPERM") return false
  const began = yield* beganAt(holder.pid)
  return began === null || holder.began === null || began === holder.began
})

/** The 22nd field that Linux reports. The last parenthesis ends the name, which may contain anything. */
const beganAt = (pid: number): Effect.Effect<string | null, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`/proc/${pid}/stat`)).pipe(
    Effect.map((stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null),
    Effect.orElseSucceed(() => null)
  )
