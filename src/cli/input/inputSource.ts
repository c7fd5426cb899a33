/** The input of a run: rows of a file or of a pipe, in constant memory. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as ByteLines from "../../internal/byteLines.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as Compression from "./compression.ts"
import * as Documents from "./documents.ts"
import * as DocumentText from "./documentText.ts"
import { type Format, isArray, makeReader, ofPath } from "./inputFormat.ts"
import * as JsonArray from "./jsonArray.ts"
import { readJson } from "./jsonRow.ts"
import * as Parquet from "./parquet.ts"
import * as Remote from "./remote.ts"
import { type Fields, type Row, unusable } from "./row.ts"

/** How far a run has read its input. */
export interface Position {
  rows: number
  bytes: number
  /** The size of the input; unknown for a pipe. */
  readonly totalBytes: number | undefined
  isAtEnd: boolean
}

export interface InputSource {
  /** The rows at its beginning. */
  readonly first: ReadonlyArray<Row>
  readonly rows: Stream.Stream<Row, CommandFailure>
  readonly position: Position
  /** Whether its rows have ids of their own. */
  readonly hasIds: boolean
}

export interface Options {
  /** A file, a folder, a pattern, a URL, or `-` for standard input. */
  readonly path: string
  readonly fields: Fields
  readonly limit: number | undefined
  readonly format?: Format | undefined
  /** The name of a character, or the character. */
  readonly delimiter?: string | undefined
}

/** The flags that describe an input. */
export interface Flags {
  readonly input: string
  readonly textField: string | undefined
  readonly idField: string | undefined
  readonly limit: number | undefined
  readonly format: Format | undefined
  readonly delimiter: string | undefined
}

export const optionsOf = ({ delimiter, format, idField, input, limit, textField }: Flags): Options => ({
  path: input,
  fields: { text: textField, id: idField },
  limit,
  format,
  delimiter
})

/** No model takes a longer text. */
const maxLineBytes = 16 * 1024 * 1024

/** Opens an input and reads its beginning, so that an unreadable one is found before anything is sent. */
export const open = Effect.fnUntraced(function*(
  given: Options
): Effect.fn.Return<InputSource, CommandFailure, FileSystem.FileSystem | Stdio.Stdio | Scope.Scope> {
  const { limit, path } = given
  const hasFormat = given.format !== undefined || given.delimiter !== undefined
  if (Remote.isRemote(path)) return yield* openRemote(given)
  const documents = path === "-" ? undefined : yield* Documents.find(path, { hasFormat })
  if (documents !== undefined) return yield* openDocuments(documents, given)
  if (Parquet.isParquet(path)) return yield* openParquet(given)
  const name = path === "-" ? "Standard input" : path
  const { format, totalBytes } = path === "-" ? { format: undefined, totalBytes: undefined } : yield* look(path, given)
  const options = { ...given, delimiter: yield* Effect.fromResult(delimiterOf(given)) }
  const source = makeSource(name, options, format, totalBytes)
  yield* Effect.fromResult(checkFields(source))
  const fs = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  const bytes = Stream.mapError(path === "-" ? stdin : fs.stream(path), unreadable(name))
  const all = readRows(Compression.decompress(bytes, path), source)
  return yield* begun(all, { path: name, limit, position: source.position, hasIds: given.fields.id !== undefined })
})

const makeSource = (
  name: string,
  options: Options,
  format: Format | undefined,
  totalBytes: number | undefined
): Source => ({
  name,
  options,
  format: options.format ?? format ?? (options.delimiter === undefined ? undefined : "csv"),
  position: { rows: 0, bytes: 0, totalBytes, isAtEnd: false }
})

const openRemote = Effect.fnUntraced(function*(
  given: Options
): Effect.fn.Return<InputSource, CommandFailure, Scope.Scope> {
  const { bytes, isDecoded, name, totalBytes } = yield* Remote.open(given.path)
  if (Parquet.isParquet(name) || DocumentText.isDocument(name) && given.format === undefined) {
    return yield* usage(`${name} is read from a disk only. Download it first`)
  }
  const options = { ...given, delimiter: yield* Effect.fromResult(delimiterOf(given)) }
  const isCompressed = Compression.isCompressed(name) && !isDecoded
  const format = Result.getOrUndefined(ofPath(Compression.innerName(name)))
  const source = makeSource(name, options, format, isCompressed ? undefined : totalBytes)
  yield* Effect.fromResult(checkFields(source))
  const all = readRows(isCompressed ? Compression.decompress(bytes, name) : bytes, source)
  return yield* begun(all, {
    path: name,
    limit: given.limit,
    position: source.position,
    hasIds: given.fields.id !== undefined
  })
})

const openDocuments = Effect.fnUntraced(function*(
  documents: Documents.Documents,
  { delimiter, fields, format, limit, path }: Options
): Effect.fn.Return<InputSource, CommandFailure, FileSystem.FileSystem | Scope.Scope> {
  if (fields.text !== undefined || fields.id !== undefined || format !== undefined || delimiter !== undefined) {
    return yield* usage(
      `Each file of ${path} is one text. Leave out --text-field, --id-field, --format and --delimiter`
    )
  }
  const fs = yield* FileSystem.FileSystem
  const position: Position = { rows: 0, bytes: 0, totalBytes: documents.totalBytes, isAtEnd: false }
  const all = Documents.read(documents, (bytes) => {
    position.bytes += bytes
    position.rows++
    position.isAtEnd = position.rows === documents.files.length
  }).pipe(Stream.provideService(FileSystem.FileSystem, fs))
  return yield* begun(all, { path, limit, position, hasIds: true })
})

const openParquet = Effect.fnUntraced(function*(
  { delimiter, fields, format, limit, path }: Options
): Effect.fn.Return<InputSource, CommandFailure, Scope.Scope> {
  if (format !== undefined || delimiter !== undefined) {
    return yield* usage(`${path} is a Parquet file. Leave out --format and --delimiter`)
  }
  const { bytes, count, rows } = yield* Parquet.open(path, fields)
  const position: Position = { rows: 0, bytes: 0, totalBytes: bytes, isAtEnd: false }
  const all = Stream.tap(rows, () =>
    Effect.sync(() => {
      position.rows++
      position.bytes = Math.round(bytes * position.rows / count)
      position.isAtEnd = position.rows === count
    }))
  return yield* begun(all, { path, limit, position, hasIds: fields.id !== undefined })
})

/** Reads the beginning of rows whose source is open. */
const begun = Effect.fnUntraced(function*(
  all: Stream.Stream<Row, CommandFailure>,
  { hasIds, limit, path, position }: Pick<Options, "limit" | "path"> & Pick<InputSource, "hasIds" | "position">
): Effect.fn.Return<InputSource, CommandFailure, Scope.Scope> {
  const pull = yield* Stream.toPull(limit === undefined ? all : Stream.take(all, limit))
  const first = yield* Pull.catchDone(pull, () => Effect.fail(usage(`${path} is empty`)))
  return {
    position,
    first,
    hasIds,
    rows: Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))
  }
})

const delimiters: Readonly<Record<string, string>> = { tab: "\t", "\\t": "\t", comma: ",", semicolon: ";", pipe: "|" }

const delimiterOf = ({ delimiter }: Options): Result.Result<string | undefined, CommandFailure> => {
  if (delimiter === undefined) return Result.succeed(undefined)
  const character = Object.hasOwn(delimiters, delimiter) ? delimiters[delimiter]! : delimiter
  return character.length === 1 && !/["\r\n]/.test(character)
    ? Result.succeed(character)
    : Result.fail(usage(`The delimiter has to be one character or tab, got ${JSON.stringify(delimiter)}`))
}

/** Flags that the format has no use for would be ignored, and the header of a table would be sent as a text. */
const checkFields = ({ format, name, options: { delimiter, fields } }: Source): Result.Result<void, CommandFailure> =>
  format === "txt" && (fields.text !== undefined || fields.id !== undefined)
    ? Result.fail(usage(
      `${name} is read as lines of text, which have no fields. Leave out --text-field and --id-field, or use --format`
    ))
    : delimiter !== undefined && format !== "csv" && format !== "tsv"
    ? Result.fail(usage(`${name} is not read as a table, so it has no delimiter. Use --format csv`))
    : Result.void

const unreadable = (name: string) => (error: PlatformError): CommandFailure =>
  usage(`Cannot read ${name}: ${error.reason._tag === "NotFound" ? "the file does not exist" : error.message}`)

/** A pipe has neither a size nor a name that says something. */
const look = Effect.fnUntraced(function*(path: string, { delimiter, format }: Options) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.mapError(fs.stat(path), unreadable(path))
  if (info.type === "Directory") return yield* usage(`Cannot read ${path}: it is a directory`)
  if (info.type !== "File") return { format: undefined, totalBytes: undefined }
  const known = ofPath(Compression.innerName(path))
  if (Result.isFailure(known) && format === undefined && delimiter === undefined) return yield* usage(known.failure)
  return {
    format: Result.getOrUndefined(known),
    totalBytes: Compression.isCompressed(path) ? undefined : Number(info.size)
  }
})

interface Source {
  readonly name: string
  readonly options: Options
  /** Nothing where the beginning of the input decides. */
  readonly format: Format | undefined
  readonly position: Position
}

const readRows = (bytes: Stream.Stream<Uint8Array, CommandFailure>, source: Source) =>
  Stream.suspend(() => {
    const { name, position } = source
    let reader: ByteReader | undefined
    let beginning: Array<Uint8Array> = []

    const taken = (reader: ByteReader): Effect.Effect<ReadonlyArray<Row>, CommandFailure> => {
      const { failure, rows } = reader.take()
      if (failure !== undefined) return Effect.fail(usage(`${name} ${failure}`))
      position.rows += rows.length
      return Effect.succeed(rows)
    }

    const begin = (text: string): ByteReader => {
      const begun = byteReader(text, source)
      for (const one of beginning) begun.push(one)
      beginning = []
      reader = begun
      return begun
    }

    const push = (chunk: Uint8Array): Effect.Effect<ReadonlyArray<Row>, CommandFailure> => {
      position.bytes += chunk.length
      if (reader !== undefined) {
        reader.push(chunk)
        return taken(reader)
      }
      if (chunk.includes(0)) {
        return Effect.fail(usage(`Cannot read ${name}: it is binary, or text that is not UTF-8`))
      }
      beginning.push(chunk)
      const text = new TextDecoder().decode(Buffer.concat(beginning))
      // A bracket by itself may begin an array or a text.
      return /^\s*\[?\s*$/.test(text) && beginning.length < 1000 ? Effect.succeed([]) : taken(begin(text))
    }

    const end = Effect.suspend(() => {
      position.isAtEnd = true
      const begun = reader ?? begin(new TextDecoder().decode(Buffer.concat(beginning)))
      begun.end()
      return taken(begun)
    })

    return Stream.mapEffect(bytes, push).pipe(
      Stream.concat(Stream.fromEffect(end)),
      Stream.filter(Arr.isReadonlyArrayNonEmpty),
      Stream.flattenArray
    )
  })

/** Makes rows of bytes, and keeps them until they are taken. */
interface ByteReader {
  readonly push: (chunk: Uint8Array) => void
  readonly end: () => void
  readonly take: () => { readonly rows: ReadonlyArray<Row>; readonly failure: string | undefined }
}

const byteReader = (beginning: string, { format, options }: Source): ByteReader =>
  format === "json" || format === undefined && options.delimiter === undefined && isArray(beginning)
    ? arrayReader(options)
    : lineReader(format, options)

const tooLong = (where: string): Row => unusable(`${where} is longer than ${maxLineBytes / 2 ** 20} MB`)

const lineReader = (format: Exclude<Format, "json"> | undefined, { delimiter, fields }: Options): ByteReader => {
  const lines = ByteLines.make({ maxLength: maxLineBytes })
  const reader = makeReader({ format, fields, delimiter, maxLength: maxLineBytes })
  let number = 0
  let rows: Array<Row> = []
  let failure: string | undefined

  const onLine: ByteLines.OnLine = (buffer, start, end) => {
    number++
    if (failure !== undefined) return
    if (end - start > maxLineBytes) {
      rows.push(tooLong(`Line ${number}`))
      return
    }
    const text = decode(buffer.subarray(start, end), number === 1)
    if (Result.isFailure(text)) {
      rows.push(unusable(`Line ${number} ${text.failure}`))
      return
    }
    const read = reader.push(text.success, number)
    if (Result.isSuccess(read)) { for (const row of read.success) rows.push(row) }
    else failure = read.failure
  }

  return {
    push: (chunk) => lines.push(chunk, onLine),
    end: () => {
      const rest = lines.rest()
      if (rest.length > 0) onLine(rest, 0, rest.length, 0)
      for (const row of reader.end()) rows.push(row)
    },
    take: () => {
      const taken = { rows, failure }
      rows = []
      return taken
    }
  }
}

const arrayReader = ({ fields }: Options): ByteReader => {
  let rows: Array<Row> = []
  let hasRows = false
  let failure: string | undefined

  const array = JsonArray.make(maxLineBytes, (bytes, number) => {
    hasRows = true
    const where = `Item ${number}`
    if (bytes === undefined) {
      rows.push(tooLong(where))
      return
    }
    const text = decode(bytes, false)
    rows.push(
      Result.isFailure(text) ? unusable(`${where} ${text.failure}`) : readJson(text.success.trim(), where, fields)
    )
  })

  let isOver = false
  // Before anything was read the whole input is refused, and afterwards its rest is one item that cannot be used.
  const ended = (description: string | undefined): void => {
    if (description === undefined) return
    isOver = true
    if (hasRows) rows.push(unusable(`The input ${description}`))
    else failure = description
  }

  return {
    push: (chunk) => {
      if (!isOver) ended(array.push(chunk))
    },
    end: () => {
      if (!isOver) ended(array.end())
    },
    take: () => {
      const taken = { rows, failure }
      rows = []
      return taken
    }
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decode = (bytes: Uint8Array, isFirst: boolean): Result.Result<string, string> => {
  const text = Result.try(() => decoder.decode(bytes))
  return Result.isFailure(text)
    ? Result.fail("is not valid UTF-8")
    : Result.succeed(isFirst && text.success.startsWith("\uFEFF") ? text.success.slice(1) : text.success)
}
