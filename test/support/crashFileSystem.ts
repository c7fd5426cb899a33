/**
 * A file system in memory that records what was written and synced, and shows every state in which a crash of the
 * process or a power failure could leave its files.
 */
import { Effect, FileSystem, Option, PlatformError } from "effect"

export type Operation =
  | { readonly _tag: "Write"; readonly path: string; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly _tag: "Truncate"; readonly path: string; readonly length: number }
  | { readonly _tag: "Remove"; readonly path: string }
  | { readonly _tag: "Link"; readonly path: string; readonly to: string }
  | { readonly _tag: "Sync"; readonly path: string }

export type Files = ReadonlyMap<string, Uint8Array>

export interface Crashing {
  readonly fileSystem: FileSystem.FileSystem
  /** All operations so far, in their order. */
  readonly history: ReadonlyArray<Operation>
}

export interface Options {
  /** The number of bytes of a write that still fit on the disk, or `undefined` if it is not full. */
  readonly room?: ((bytes: Uint8Array) => number | undefined) | undefined
}

const systemError = (tag: PlatformError.SystemErrorTag, method: string, path: string, description: string) =>
  PlatformError.systemError({ _tag: tag, module: "FileSystem", method, pathOrDescriptor: path, description })

/** Applies an operation to files. */
export const apply = (files: Map<string, Uint8Array>, operation: Operation): void => {
  const content = files.get(operation.path) ?? new Uint8Array(0)
  switch (operation._tag) {
    case "Write": {
      const written = new Uint8Array(Math.max(content.length, operation.offset + operation.bytes.length))
      written.set(content)
      written.set(operation.bytes, operation.offset)
      files.set(operation.path, written)
      return
    }
    case "Truncate": {
      const cut = new Uint8Array(operation.length)
      cut.set(content.subarray(0, operation.length))
      files.set(operation.path, cut)
      return
    }
    case "Remove":
      files.delete(operation.path)
      return
    case "Link":
      files.set(operation.to, content)
      return
    case "Sync":
  }
}

export const make = (initial: Files, options?: Options): Crashing => {
  const files = new Map(initial)
  const history: Array<Operation> = []

  const run = (operation: Operation): void => {
    history.push(operation)
    apply(files, operation)
  }

  const existing = (method: string, path: string) =>
    Effect.suspend(() => {
      const content = files.get(path)
      return content === undefined
        ? Effect.fail(systemError("NotFound", method, path, "ENOENT: no such file"))
        : Effect.succeed(content)
    })

  const write = (path: string, offset: number, bytes: Uint8Array) =>
    Effect.suspend(() => {
      const room = options?.room?.(bytes)
      if (room === undefined) return Effect.sync(() => run({ _tag: "Write", path, offset, bytes: bytes.slice() }))
      if (room > 0) run({ _tag: "Write", path, offset, bytes: bytes.slice(0, room) })
      return Effect.fail(systemError("WriteZero", "writeAll", path, "ENOSPC: no space left on device"))
    })

  const makeFile = (path: string): FileSystem.File => {
    let position = 0
    const read = (buffer: Uint8Array, readOptions?: FileSystem.File.ReadOptions) =>
      Effect.sync(() => {
        const at = Number(readOptions?.position ?? position)
        const found = (files.get(path) ?? new Uint8Array(0)).subarray(at, at + buffer.length)
        buffer.set(found)
        if (readOptions?.position === undefined) position += found.length
        return found.length
      })
    const writeNext = (bytes: Uint8Array) =>
      Effect.suspend(() =>
        Effect.andThen(
          write(path, position, bytes),
          Effect.sync(() => {
            position += bytes.length
          })
        )
      )
    return {
      [FileSystem.FileTypeId]: FileSystem.FileTypeId,
      stat: Effect.die("not used"),
      seek: (offset) =>
        Effect.sync(() => {
          position = Number(offset)
          return offset
        }),
      sync: Effect.sync(() => run({ _tag: "Sync", path })),
      read,
      readAlloc: (size, readOptions) => {
        const buffer = new Uint8Array(Math.min(size, files.get(path)?.length ?? 0))
        return Effect.map(
          read(buffer, readOptions),
          (count) => count === 0 ? Option.none() : Option.some(buffer.subarray(0, count))
        )
      },
      truncate: (length) => Effect.sync(() => run({ _tag: "Truncate", path, length: length ?? 0 })),
      write: (bytes) => Effect.as(writeNext(bytes), bytes.length),
      writeAll: writeNext
    }
  }

  const fileSystem = FileSystem.make({
    ...FileSystem.makeNoop({}),
    stat: (path) =>
      Effect.map(
        existing("stat", path),
        ({ length }) => ({ type: "File", size: BigInt(length) }) as FileSystem.File.Info
      ),
    lstat: (path) =>
      Effect.map(
        existing("lstat", path),
        ({ length }) => ({ type: "File", size: BigInt(length) }) as FileSystem.File.Info
      ),
    readFile: (path) => existing("readFile", path),
    writeFile: (path, bytes) =>
      Effect.andThen(Effect.sync(() => run({ _tag: "Truncate", path, length: 0 })), write(path, 0, bytes)),
    open: (path, openOptions) =>
      Effect.suspend(() => {
        if (openOptions?.flag === "w") run({ _tag: "Truncate", path, length: 0 })
        return openOptions?.flag === "w"
          ? Effect.succeed(makeFile(path))
          : Effect.as(existing("open", path), makeFile(path))
      }),
    truncate: (path, length) => Effect.sync(() => run({ _tag: "Truncate", path, length: length ?? 0 })),
    link: (from, to) =>
      files.has(to)
        ? Effect.fail(systemError("AlreadyExists", "link", to, "EEXIST"))
        : Effect.sync(() => run({ _tag: "Link", path: from, to })),
    remove: (path) => Effect.sync(() => run({ _tag: "Remove", path }))
  })

  return { fileSystem, history }
}

/** The files after the first operations, as after a crash of the process. */
export const afterCrash = (initial: Files, history: ReadonlyArray<Operation>, count: number): Files => {
  const files = new Map(initial)
  for (const operation of history.slice(0, count)) apply(files, operation)
  return files
}

/**
 * The content that a file can have after a power failure: everything that was synced, and any of the operations since,
 * with writes that arrived in part.
 */
export const afterPowerFailure = (
  initial: Uint8Array | undefined,
  history: ReadonlyArray<Operation>,
  /** Decides what reached the disk: `keep` for a whole operation, `blocks` for single blocks of a write. */
  arrived: {
    readonly keep: (index: number) => boolean
    readonly blocks: (index: number) => ((block: number) => boolean) | undefined
    readonly blockSize: number
  }
): Uint8Array | undefined => {
  const path = "file"
  const files = new Map<string, Uint8Array>(initial === undefined ? [] : [[path, initial]])
  const lastSync = history.findLastIndex(({ _tag }) => _tag === "Sync")
  for (const [index, operation] of history.entries()) {
    const own = { ...operation, path } as Operation
    if (index <= lastSync) {
      apply(files, own)
      continue
    }
    const blocks = arrived.blocks(index)
    if (own._tag !== "Write" || blocks === undefined) {
      if (arrived.keep(index)) apply(files, own)
      continue
    }
    // A file grows to the end of its last block that arrived; what did not arrive in between is zero or as before.
    const { blockSize } = arrived
    const first = Math.floor(own.offset / blockSize)
    const last = Math.floor((own.offset + own.bytes.length - 1) / blockSize)
    for (let block = first; block <= last; block++) {
      if (!blocks(block)) continue
      const from = Math.max(own.offset, block * blockSize)
      const to = Math.min(own.offset + own.bytes.length, (block + 1) * blockSize)
      apply(files, { ...own, offset: from, bytes: own.bytes.subarray(from - own.offset, to - own.offset) })
    }
  }
  return files.get(path)
}
