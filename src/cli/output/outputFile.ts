/** The output of a run with a journal: appended to as items finish, and rewritten from the journal afterwards. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Journal from "../../batch/Journal.ts"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, stopped, usage } from "../commandFailure.ts"
import type { Line, OutputLines } from "./lines.ts"
import * as SortedLines from "./sortedLines.ts"

export interface OutputFile {
  readonly append: (lines: ReadonlyArray<Line>) => Effect.Effect<void, CommandFailure>
}

/** Opens the file for appending, so that an unwritable one is found before anything is sent. */
export const open = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<OutputFile, CommandFailure, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(
    fs.open(path, { flag: "a" }),
    (error) => usage(`Cannot write the output ${path}: ${FileProblem.describe(error)}`)
  )
  return {
    append: (lines) =>
      Effect.mapError(
        file.writeAll(encode(lines)),
        (error) =>
          stopped(
            `Cannot write the output ${path}: ${FileProblem.describe(error)}. Run the same command again to resume`
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

export interface RewriteOptions {
  readonly path: string
  readonly journal: Journal.Journal["Service"]
  readonly lines: OutputLines
  /** Whether this run has read its whole input. */
  readonly isComplete: boolean
  readonly ordered: boolean
}

/**
 * Writes the output anew from the journal, to a file beside it that then replaces it: exactly one line for each item
 * that this run has read or, when it has not read all, that any run has.
 */
export const rewrite = Effect.fnUntraced(function*(
  options: RewriteOptions
): Effect.fn.Return<Rewritten, PlatformError | Journal.JournalError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  // A symbolic link stays; the file behind it is replaced.
  const target = yield* Effect.orElseSucceed(fs.realPath(options.path), () => options.path)
  const fresh = `${target}.new`
  const sorted = `${target}.sorted`
  return yield* Effect.scoped(writeLines(options, fresh, sorted)).pipe(
    Effect.tap(() =>
      Effect.flatMap(
        Effect.option(fs.stat(target)),
        // The new file keeps the permissions that its owner gave the old one.
        Option.match({ onNone: () => Effect.void, onSome: ({ mode }) => Effect.ignore(fs.chmod(fresh, mode & 0o777)) })
      )
    ),
    Effect.tap(() => fs.rename(fresh, target)),
    Effect.onError(() => Effect.andThen(Effect.ignore(fs.remove(fresh)), Effect.ignore(fs.remove(sorted))))
  )
})

const writeLines = Effect.fnUntraced(function*(
  { isComplete, journal, lines, ordered }: RewriteOptions,
  fresh: string,
  sorted: string
): Effect.fn.Return<Rewritten, PlatformError | Journal.JournalError, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const places = ordered ? SortedLines.makePlaces() : undefined
  const file = yield* fs.open(fresh, { flag: "w" })
  let count = 0
  let errors = 0
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
  return { lines: count, errors }
})
