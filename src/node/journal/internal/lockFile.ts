/** A file that says which process has the journal. The system frees no lock of a killed process, so we look. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Os from "node:os"
import * as Process from "node:process"
import { FileFailure, JournalError, Locked } from "../../../batch/JournalError.ts"
import * as FileProblem from "./fileProblem.ts"

/** A process, so that another one with its number later is not taken for it. */
const Holder = Schema.fromJsonString(Schema.Struct({
  pid: Schema.Int,
  host: Schema.String,
  /** When it began, as its system counts; null where the system does not tell. */
  began: Schema.NullOr(Schema.String)
}))

type Holder = typeof Holder.Type

/** Holds the lock as long as the scope, or fails with who does. */
export const acquire = (
  path: string
): Effect.Effect<void, JournalError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.acquireRelease(
    Effect.uninterruptible(take(`${path}.lock`, path)),
    () => Effect.ignore(Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(`${path}.lock`)))
  )

let taken = 0

const take = Effect.fnUntraced(function*(lock: string, path: string) {
  const fs = yield* FileSystem.FileSystem
  const me: Holder = { pid: Process.pid, host: Os.hostname(), began: yield* beganAt(Process.pid) }
  const mine = `${lock}.${Process.pid}.${++taken}`
  const failure = (operation: string) => (error: PlatformError) =>
    new JournalError({ reason: new FileFailure({ path: lock, operation, description: FileProblem.describe(error) }) })

  // A link appears with its content, which a file being written does not.
  const link = Effect.gen(function*() {
    yield* fs.writeFileString(mine, yield* Effect.orDie(Schema.encodeEffect(Holder)(me)))
    return yield* fs.link(mine, lock).pipe(
      Effect.as(true),
      Effect.catchIf(isAlreadyThere, () => Effect.succeed(false)),
      Effect.ensuring(Effect.ignore(fs.remove(mine)))
    )
  }).pipe(Effect.mapError(failure("written")))

  for (let attempt = 0; attempt < 10; attempt++) {
    if (yield* link) return
    const text = yield* Effect.option(fs.readFileString(lock))
    // It was just released.
    if (Option.isNone(text)) continue
    const holder = Schema.decodeOption(Holder)(text.value)
    if (Option.isSome(holder) && (yield* isAlive(holder.value, me))) {
      const { host, pid } = holder.value
      const elsewhere = host === me.host ? "" : ` on ${host}; if it is dead, delete ${lock}`
      return yield* new JournalError({ reason: new Locked({ path, holder: `process ${pid}${elsewhere}` }) })
    }
    // Who renames it away has it; what was renamed may by now be the lock of another that was faster.
    const stale = `${mine}.stale`
    if (!(yield* Effect.isSuccess(fs.rename(lock, stale)))) continue
    const renamed = yield* Effect.option(fs.readFileString(stale))
    if (Option.getOrUndefined(renamed) !== text.value) yield* Effect.ignore(fs.link(stale, lock))
    yield* Effect.ignore(fs.remove(stale))
  }
  return yield* new JournalError({ reason: new Locked({ path, holder: "processes that begin at the same time" }) })
})

const isAlreadyThere = (error: PlatformError): boolean => error.reason._tag === "AlreadyExists"

const isAlive = (holder: Holder, me: Holder): Effect.Effect<boolean, never, FileSystem.FileSystem> => {
  if (holder.host !== me.host) return Effect.succeed(true)
  return Effect.gen(function*() {
    const answered = yield* Effect.result(Effect.try({
      try: () => Process.kill(holder.pid, 0),
      catch: (error) => (error as NodeJS.ErrnoException).code
    }))
    // A process of another user answers too, in its way.
    if (answered._tag === "Failure" && answered.failure !== "EPERM") return false
    const began = yield* beganAt(holder.pid)
    return began === null || holder.began === null || began === holder.began
  })
}

/** From Linux, the 22nd field; what is before the last parenthesis is the name, which may hold anything. */
const beganAt = (pid: number): Effect.Effect<string | null, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`/proc/${pid}/stat`)).pipe(
    Effect.map((stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null),
    Effect.orElseSucceed(() => null)
  )
