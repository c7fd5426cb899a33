/** Rewrites an output from its journal: to a temporary file beside it, which then replaces it. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Journal from "../../batch/Journal.ts"
import * as Accounted from "./accounted.ts"
import type { Line, OutputLines } from "./lines.ts"
import * as OldOutput from "./oldOutput.ts"
import * as SortedLines from "./sortedLines.ts"
import * as TemporaryFile from "./temporaryFile.ts"

export interface Rewritten {
  readonly lines: number
  readonly errors: number
}

/**
 * How far a run has come. `whole`: it has finished its input, so that items of earlier runs that it has not read are
 * obsolete. A number: it has finished the first so many inputs, and knows nothing of the others. `part`: it was stopped.
 */
export type Reach = "whole" | "part" | number

export interface Options {
  readonly path: string
  readonly journal: Journal.Journal["Service"]
  readonly lines: OutputLines
  readonly reach: Reach
  readonly ordered: boolean
}

/** Exactly one line for each item that the run has read and, unless that was all, for each one of earlier runs. */
export const rewrite = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Rewritten, PlatformError | Journal.JournalError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  // A symbolic link stays; the file behind it is replaced.
  const target = yield* Effect.orElseSucceed(fs.realPath(options.path), () => options.path)
  yield* TemporaryFile.removeLeftovers(target)
  return yield* Effect.scoped(Effect.gen(function*() {
    const fresh = yield* TemporaryFile.create(target)
    const places = options.ordered ? SortedLines.makePlaces() : undefined
    const rewritten = yield* writeLines(options, target, fresh, places)
    yield* TemporaryFile.replace(places === undefined ? fresh : yield* sort(target, fresh, places), target)
    return rewritten
  }))
})

const sort = Effect.fnUntraced(function*(
  target: string,
  fresh: TemporaryFile.TemporaryFile,
  places: SortedLines.Places
): Effect.fn.Return<TemporaryFile.TemporaryFile, PlatformError, FileSystem.FileSystem | Scope.Scope> {
  const sorted = yield* TemporaryFile.create(target)
  yield* SortedLines.write(places, fresh.file, sorted.file)
  return sorted
})

const writeLines = Effect.fnUntraced(function*(
  { journal, lines, reach }: Options,
  target: string,
  { file }: TemporaryFile.TemporaryFile,
  places: SortedLines.Places | undefined
): Effect.fn.Return<Rewritten, PlatformError | Journal.JournalError, FileSystem.FileSystem> {
  const accounted = Accounted.make()
  let count = 0
  let errors = 0

  const write = (some: ReadonlyArray<Line>) => {
    const bytes = some.map(({ text }) => Buffer.from(text))
    for (const [i, { index, isError }] of some.entries()) {
      if (index !== Infinity) count++
      if (isError) errors++
      places?.add(index, bytes[i]!.length)
    }
    return file.writeAll(Buffer.concat(bytes))
  }

  const ofRecords = Effect.fnUntraced(function*(records: ReadonlyArray<Journal.StoredRecord>) {
    const some: Array<Line> = []
    for (const { claimedAs, record } of records) {
      const index = claimedAs ?? record.index
      accounted.add(record.id, index)
      if (claimedAs === undefined) {
        accounted.add(record.id, record.index)
        if (isObsolete(record, reach)) continue
      }
      const line = yield* lines.ofRecord(record, index)
      if (record.id !== null) {
        const text = line.text.slice(0, -1)
        accounted.addLine(index, text)
        accounted.addLine(record.index, text)
      }
      some.push(line)
    }
    return some
  })

  yield* journal.records.pipe(
    Stream.chunks,
    Stream.mapEffect(ofRecords),
    Stream.filter(Arr.isArrayNonEmpty),
    Stream.runForEach(write)
  )
  yield* Stream.runForEach(OldOutput.unaccounted(target, accounted), write)
  return { lines: count, errors }
})

/** Whether the run replaces a record that it has not claimed. */
const isObsolete = (record: Journal.JournalRecord, reach: Reach): boolean =>
  // Another item has its place now; without an id, nothing else tells them apart.
  reach === "whole" || reach !== "part" && record.id === null && record.index < reach
