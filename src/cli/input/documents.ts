/**
 * An input of many files: a folder, or a pattern such as `docs/*.html`. Each file is one text, and its path is its id. A
 * single HTML or PDF file is one, too.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as NodePath from "node:path"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as DocumentText from "./documentText.ts"
import { type Row, unusable, usable } from "./row.ts"

/** What a folder is searched for. A pattern takes every file that it names. */
const texts = /\.(?:txt|md|markdown|html?|pdf|xml|rst|eml)$/i

export interface Documents {
  readonly files: ReadonlyArray<string>
  readonly totalBytes: number
  readonly kindOf: (file: string) => DocumentText.Kind
}

/** The files of a folder or of a pattern, in order; nothing if the input is neither. */
export const find = Effect.fnUntraced(function*(
  path: string,
  /** Whether a format is given, as which a single file is read. */
  { hasFormat }: { readonly hasFormat: boolean }
): Effect.fn.Return<Documents | undefined, CommandFailure, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(path))
  const isFolder = info._tag === "Some" && info.value.type === "Directory"
  if (info._tag === "Some" && info.value.type === "File" && DocumentText.isDocument(path) && !hasFormat) {
    return { files: [path], totalBytes: Number(info.value.size), kindOf: yield* DocumentText.load([path]) }
  }
  if (!isFolder && (info._tag === "Some" || !/[*?[\]{}]/.test(path))) return undefined
  const found = yield* Effect.mapError(
    isFolder ? fs.readDirectory(path, { recursive: true }) : fs.glob(path),
    (error) => usage(`Cannot read ${path}: ${FileProblem.describe(error)}`)
  )
  const names = isFolder
    ? found.filter((name) => texts.test(name)).map((name) => NodePath.join(path, name))
    : found
  const files: Array<string> = []
  let totalBytes = 0
  for (const name of names.toSorted()) {
    const inner = yield* Effect.option(fs.stat(name))
    if (inner._tag === "None" || inner.value.type !== "File") continue
    files.push(name)
    totalBytes += Number(inner.value.size)
  }
  return files.length === 0
    ? yield* usage(
      isFolder
        ? `The folder ${path} has no texts: files that end with .txt, .md, .html, .pdf, .xml, .rst or .eml`
        : `No file is named like ${path}`
    )
    : { files, totalBytes, kindOf: yield* DocumentText.load(files) }
})

/** A file that cannot be used is an item that fails before anything is sent. */
const toRow = (file: string, bytes: Uint8Array, { maxBytes, toText }: DocumentText.Kind): Effect.Effect<Row> =>
  bytes.length > maxBytes
    ? Effect.succeed(unusable(`${file} is longer than ${maxBytes / 2 ** 20} MB`))
    : Effect.map(
      toText(bytes),
      (text) => Result.isSuccess(text) ? usable(text.success, file, file) : unusable(`${file} ${text.failure}`)
    )

export const read = (
  { files, kindOf }: Documents,
  onRead: (bytes: number) => void
): Stream.Stream<Row, never, FileSystem.FileSystem> =>
  Stream.mapEffect(Stream.fromIterable(files), (file) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const bytes = yield* Effect.result(fs.readFile(file))
      if (Result.isFailure(bytes)) return unusable(`${file} cannot be read: ${FileProblem.describe(bytes.failure)}`)
      onRead(bytes.success.length)
      return yield* toRow(file, bytes.success, kindOf(file))
    }))
