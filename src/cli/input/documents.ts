/** An input of many files: a folder, or a pattern such as `docs/*.html`. Each file is one text, and its path is its id. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as NodePath from "node:path"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import { type Row, unusable, usable } from "./row.ts"

/** What a folder is searched for. A pattern takes every file that it names. */
const texts = /\.(?:txt|md|markdown|html?|xml|rst|eml)$/i

/** No model takes a longer text. */
const maxBytes = 16 * 1024 * 1024

export interface Documents {
  readonly files: ReadonlyArray<string>
  readonly totalBytes: number
}

/** The files of a folder or of a pattern, in order; nothing if the input is neither. */
export const find = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Documents | undefined, CommandFailure, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(path))
  const isFolder = info._tag === "Some" && info.value.type === "Directory"
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
        ? `The folder ${path} has no texts: files that end with .txt, .md, .html, .xml, .rst or .eml`
        : `No file is named like ${path}`
    )
    : { files, totalBytes }
})

const decoder = new TextDecoder("utf-8", { fatal: true })

/** A file that cannot be used is an item that fails before anything is sent. */
const toRow = (file: string, bytes: Uint8Array): Row => {
  if (bytes.length > maxBytes) return unusable(`${file} is longer than ${maxBytes / 2 ** 20} MB`)
  if (bytes.includes(0)) return unusable(`${file} is binary`)
  const text = Result.try(() => decoder.decode(bytes))
  return Result.isSuccess(text) ? usable(text.success, file, file) : unusable(`${file} is not valid UTF-8`)
}

export const read = (
  { files }: Documents,
  onRead: (bytes: number) => void
): Stream.Stream<Row, never, FileSystem.FileSystem> =>
  Stream.mapEffect(Stream.fromIterable(files), (file) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const bytes = yield* Effect.result(fs.readFile(file))
      if (Result.isFailure(bytes)) return unusable(`${file} cannot be read: ${FileProblem.describe(bytes.failure)}`)
      onRead(bytes.success.length)
      return toRow(file, bytes.success)
    }))
