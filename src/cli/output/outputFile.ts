/** The output of a run over a journal: appended to as items end, and put right from the journal afterwards. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Journal from "../../batch/Journal.ts"
import type { JournalError } from "../../batch/JournalError.ts"
import * as FileProblem from "../../node/journal/internal/fileProblem.ts"
import { type CommandFailure, stopped, usage } from "../commandFailure.ts"
import type { Line, OutputLines } from "./outputLine.ts"
import * as SortedLines from "./sortedLines.ts"

export interface OutputFile {
  readonly append: (lines: ReadonlyArray<Line>) => Effect.Effect<void, CommandFailure>
}

/** Opens the file to append to it, which tells in time whether it can be written. */
export const open = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<OutputFile, CommandFailure, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(
    fs.open(path, { flag: "a" }),
    (error) => usage(`The output ${path} cannot be written: ${FileProblem.describe(error)}`)
  )
  return {
    append: (lines) =>
      Effect.mapError(
        file.writeAll(encode(lines)),
        (error) =>
          stopped(
            `The output ${path} could not be written: ${
              FileProblem.describe(error)
            }. Run the same again to go on from here`
          )
      )
  }
})

const encoder = new TextEncoder()

const encode = (lines: ReadonlyArray<Line>): Uint8Array => encoder.encode(lines.map(({ text }) => text).join(""))

export interface Rewritten {
  readonly lines: number
  readonly errors: number
}

/**
 * Writes the output anew from the journal, in a file beside it that then takes its place: exactly one line for each
 * item that this run has read or, when it has not read all, that any run has.
 */
export const rewrite = Effect.fnUntraced(function*(options: {
  readonly path: string
  readonly journal: Journal.Journal["Service"]
  readonly lines: OutputLines
  readonly isComplete: boolean
  readonly ordered: boolean
}): Effect.fn.Return<Rewritten, PlatformError | JournalError, FileSystem.FileSystem> {
  const { isComplete, journal, lines, ordered, path } = options
  const fs = yield* FileSystem.FileSystem
  // Behind a symbolic link is the file that is meant.
  const target = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
  const fresh = `${target}.new`
  const sorted = `${target}.sorted`
  let count = 0
  let errors = 0

  const write = Effect.gen(function*() {
    const places = ordered ? SortedLines.makePlaces() : undefined
    const file = yield* fs.open(fresh, { flag: "w" })
    yield* journal.records.pipe(
      Stream.chunks,
      Stream.mapEffect(Effect.fnUntraced(function*(records) {
        const some: Array<Line> = []
        for (const { claimedAs, record } of records) {
          if (claimedAs === undefined && isComplete) continue
          some.push(yield* lines.ofRecord(record, claimedAs ?? record.index))
        }
        return some
      })),
      Stream.filter(Arr.isArrayNonEmpty),
      Stream.runForEach((some) => {
        const bytes = some.map((line) => encode([line]))
        for (let i = 0; i < some.length; i++) {
          count++
          if (some[i]!.isError) errors++
          places?.add(some[i]!.index, bytes[i]!.length)
        }
        return file.writeAll(Buffer.concat(bytes))
      })
    )
    if (places !== undefined) {
      yield* SortedLines.write(places, fresh, sorted)
      yield* fs.rename(sorted, fresh)
    }
  })

  yield* Effect.scoped(write).pipe(
    Effect.andThen(Effect.flatMap(
      Effect.option(fs.stat(target)),
      // A new file has the rights of any new file, and not those that its owner gave the old one.
      Option.match({ onNone: () => Effect.void, onSome: ({ mode }) => Effect.ignore(fs.chmod(fresh, mode & 0o777)) })
    )),
    Effect.andThen(fs.rename(fresh, target)),
    Effect.onError(() => Effect.andThen(Effect.ignore(fs.remove(fresh)), Effect.ignore(fs.remove(sorted))))
  )
  return { lines: count, errors }
})
