/**
 * A journal in a file, with one line of JSON for each record.
 *
 * A record survives `kill -9` of the process from the moment its item leaves the batch. It survives a power failure once
 * it is synced to the disk, which takes at most 50 ms or 256 records. Each record has a checksum: a line that is torn or
 * damaged counts as not written, and its item runs again.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Journal, type JournalError } from "../../batch/Journal.ts"
import { fileFailure } from "./internal/fileFailure.ts"
import { inspect } from "./internal/inspect.ts"
import * as JournalFile from "./internal/journalFile.ts"
import * as LockFile from "./internal/lockFile.ts"

/**
 * The location of a journal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The path of the file. The file is created if it does not exist, private to the user; its directory is not. */
  readonly path: string
}

/**
 * A journal in a file, for `Batch.resumable`. No other process can open it until the layer is released.
 *
 * **Example** (A batch that survives the end of its process)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { NodeJournal } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * export const program = Batch.resumable(Person, ["I am Ada", "I am Alan"]).pipe(
 *   Stream.runForEach((item) => Effect.log(item)),
 *   Effect.provide([OpenAi.layerConfig(), NodeJournal.layer({ path: "people.journal" })])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Journal, JournalError> =>
  Layer.provide(layerFileSystem(options), NodeFileSystem.layer)

/**
 * Like `layer`, over the `FileSystem` that you provide: that of another runtime, or one that fails as a test wants it to.
 *
 * **Example** (Another file system)
 *
 * ```ts
 * import { type FileSystem, Layer } from "effect"
 * import { NodeJournal } from "effect-instructor/node"
 *
 * export const over = (files: Layer.Layer<FileSystem.FileSystem>) =>
 *   Layer.provide(NodeJournal.layerFileSystem({ path: "people.journal" }), files)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFileSystem = (
  options: Options
): Layer.Layer<Journal, JournalError, FileSystem.FileSystem> => Layer.effect(Journal, JournalFile.make(options.path))

/**
 * Removes a journal, to start a batch over. Fails if the journal is in use, or if the file is not a journal: its first
 * line has to say so. Succeeds if there is no file.
 *
 * **Example** (Starting over)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { NodeJournal } from "effect-instructor/node"
 *
 * export const restart = NodeJournal.remove({ path: "people.journal" }).pipe(
 *   Effect.catchReason("JournalError", "NotAJournal", ({ message }) => Effect.logError(message))
 * )
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const remove = (options: Options): Effect.Effect<void, JournalError> =>
  // @effect-diagnostics-next-line strictEffectProvide:off
  Effect.provide(Effect.scoped(removeFile(options.path)), NodeFileSystem.layer)

const removeFile = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<void, JournalError, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  // A file without a first line has no records, and there is no lock file beside something that is not a journal.
  const hasRecords = Effect.map(inspect(path), ({ status }) => status !== "empty")
  if (!(yield* hasRecords)) return
  yield* LockFile.acquire(path)
  if (yield* hasRecords) yield* Effect.mapError(fs.remove(path), fileFailure(path)("removed"))
})
