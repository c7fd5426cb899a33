/** Finds out what is at the path of a journal, before anything is written there. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { JournalError, NotAJournal } from "../../../batch/JournalError.ts"
import { fileFailure } from "./fileFailure.ts"
import { anyHeader, header } from "./journalLine.ts"

export interface Inspected {
  /**
   * `empty`: there is nothing, or a file that ends inside the first line, because its process was killed before it had
   * written anything else.
   */
  readonly status: "empty" | "journal" | "otherVersion"
  /** In bytes. */
  readonly size: number
}

const headLength = 64

/** Fails if there is something that is not a journal. */
export const inspect = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Inspected, JournalError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const failure = fileFailure(path)
  const found = yield* fs.stat(path).pipe(
    Effect.asSome,
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeedNone),
    Effect.mapError(failure("opened"))
  )
  if (Option.isNone(found)) return { status: "empty", size: 0 }
  // To read from a pipe or a device could take forever. Reading a directory fails with a message that says so.
  if (found.value.type !== "File" && found.value.type !== "Directory") {
    return yield* notAJournal(path, "it is not a regular file")
  }
  const size = Number(found.value.size)
  const head = yield* fs.stream(path, { bytesToRead: headLength }).pipe(
    Stream.decodeText,
    Stream.mkString,
    Effect.mapError(failure("read"))
  )
  if (head.startsWith(header)) return { status: "journal", size }
  if (header.startsWith(head)) return { status: "empty", size }
  if (anyHeader.test(head)) return { status: "otherVersion", size }
  return yield* notAJournal(path, `it begins with ${JSON.stringify(head.slice(0, header.length))}`)
})

export const notAJournal = (path: string, description: string): JournalError =>
  new JournalError({ reason: new NotAJournal({ path, description }) })
