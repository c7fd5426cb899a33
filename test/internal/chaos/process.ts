/** A process that uses a disk: its `FileSystem` stops for good when the process is killed, and can be made to fail. */
import { Effect, FileSystem, Option, PlatformError } from "effect"
import { posix as NodePath } from "node:path"
import { type Disk, DiskError, type Inode } from "./disk.ts"
import type { Random } from "./random.ts"

export interface Process {
  readonly fileSystem: FileSystem.FileSystem
  isAlive: boolean
  /** The number of operations that have changed something. */
  changes: number
  /** Ends the process in the midst of this change. */
  killedAt: number
  /** The most files that it can have open. */
  maxOpenFiles: number
  /** The probability that a sync fails. */
  failingSyncs: number
  readonly openFiles: () => number
}

const tags: Readonly<Record<string, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ELOOP: "BadResource"
}

const failed = (method: string, path: string, error: unknown): PlatformError.PlatformError => {
  if (!(error instanceof DiskError)) throw error
  return PlatformError.systemError({
    _tag: tags[error.code] ?? "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: error
  })
}

const infoOf = (inode: Inode): FileSystem.File.Info => ({
  type: inode.type,
  mtime: Option.some(new Date(inode.modified)),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 1,
  rdev: Option.none(),
  ino: Option.some(inode.id),
  mode: inode.mode,
  nlink: Option.some(1),
  uid: Option.none(),
  gid: Option.none(),
  size: BigInt(inode.length),
  blksize: Option.none(),
  blocks: Option.none()
} as unknown as FileSystem.File.Info)

export interface Options {
  readonly disk: Disk
  readonly random: Random
  /** When it was started, which tells it from other processes of its number. */
  readonly began: string
}

const emfile = (path: string): DiskError => new DiskError("EMFILE", `too many open files, open '${path}'`)
const notFound = (path: string): DiskError => new DiskError("ENOENT", `no such file or directory, open '${path}'`)

export const make = ({ began, disk, random }: Options): Process => {
  let open = 0

  /** Nothing happens any more in a process that was killed. */
  const run = <A>(method: string, path: string, body: () => A): Effect.Effect<A, PlatformError.PlatformError> =>
    Effect.suspend(() => {
      if (!self.isAlive) return Effect.never
      try {
        return Effect.succeed(body())
      } catch (error) {
        return Effect.fail(failed(method, path, error))
      }
    })

  /** `partly` does a part of the change. */
  const change = <A>(method: string, path: string, body: () => A, partly?: () => void) =>
    Effect.suspend(() => {
      if (self.isAlive && ++self.changes >= self.killedAt) {
        if (random.chance(0.5)) partly?.()
        self.isAlive = false
      }
      return run(method, path, body)
    })

  const found = (path: string): Inode => {
    const inode = disk.find(disk.resolve(path))
    if (inode === undefined) throw notFound(path)
    return inode
  }

  const briefly = (path: string): void => {
    if (open >= self.maxOpenFiles) throw emfile(path)
  }

  const openNow = (path: string, flag: FileSystem.OpenFlag, mode: number): { inode: Inode; at: string } => {
    briefly(path)
    const isExclusive = flag.includes("x")
    // A name that must be new is no name of a link.
    const at = isExclusive ? NodePath.resolve("/", path) : disk.resolve(path)
    let inode = disk.find(at)
    if (inode !== undefined && isExclusive) throw new DiskError("EEXIST", `file already exists, open '${path}'`)
    if (inode?.type === "Directory" && flag !== "r") {
      throw new DiskError("EISDIR", `illegal operation on a directory, open '${path}'`)
    }
    if (inode === undefined) {
      if (flag.startsWith("r")) throw notFound(path)
      inode = disk.create(at, "File", mode)
    } else if (flag.startsWith("w")) {
      disk.truncate(inode, 0)
    }
    open++
    return { inode, at }
  }

  const makeFile = (inode: Inode, at: string, isAppending: boolean): FileSystem.File => {
    let position = 0
    const readAt = (offset: number, buffer: Uint8Array): number => {
      if (inode.type === "Directory") throw new DiskError("EISDIR", "illegal operation on a directory, read")
      const bytes = inode.content.subarray(
        Math.min(offset, inode.length),
        Math.min(inode.length, offset + buffer.length)
      )
      buffer.set(bytes)
      return bytes.length
    }
    const read = (buffer: Uint8Array, options?: FileSystem.File.ReadOptions) =>
      run("read", at, () => {
        const count = readAt(options?.position === undefined ? position : Number(options.position), buffer)
        if (options?.position === undefined) position += count
        return count
      })
    const writeAll = (bytes: Uint8Array) => {
      const offset = () => isAppending ? inode.length : position
      return change("writeAll", at, () => {
        disk.write(inode, offset(), bytes)
        position += bytes.length
      }, () => disk.write(inode, offset(), bytes.subarray(0, random.below(bytes.length))))
    }
    return {
      [FileSystem.FileTypeId]: FileSystem.FileTypeId,
      stat: run("stat", at, () => infoOf(inode)),
      seek: (offset, from) =>
        Effect.sync(() => {
          position = from === "start" ? Number(offset) : position + Number(offset)
          return BigInt(position)
        }),
      sync: change("sync", at, () => {
        if (inode.type === "File" && random.chance(self.failingSyncs)) throw new DiskError("EIO", "i/o error, fsync")
        disk.sync(inode, at)
      }),
      read,
      readAlloc: (size, options) =>
        Effect.suspend(() => {
          const buffer = new Uint8Array(Math.min(size, Math.max(1, inode.length)))
          return Effect.map(
            read(buffer, options),
            (count) => count === 0 ? Option.none() : Option.some(buffer.subarray(0, count))
          )
        }),
      truncate: (length) => change("truncate", at, () => disk.truncate(inode, length ?? 0)),
      write: (bytes) => Effect.as(writeAll(bytes), bytes.length),
      writeAll
    }
  }

  const makeDirectory = (path: string, isRecursive: boolean, mode: number): void => {
    const at = NodePath.resolve("/", path)
    const known = disk.find(at)
    if (known !== undefined) {
      if (isRecursive && known.type === "Directory") return
      throw new DiskError("EEXIST", `file already exists, mkdir '${path}'`)
    }
    if (isRecursive && at !== "/") makeDirectory(NodePath.dirname(at), true, mode)
    disk.create(at, "Directory", mode)
  }

  const remove = (path: string, options?: { readonly recursive?: boolean; readonly force?: boolean }): void => {
    const at = NodePath.resolve("/", path)
    if (disk.find(at) === undefined) {
      if (options?.force) return
      throw new DiskError("ENOENT", `no such file or directory, rm '${path}'`)
    }
    if (options?.recursive) { for (const name of disk.names(at)) remove(NodePath.join(at, name), options) }
    disk.name(at, undefined)
  }

  const unused = (method: string) => () => Effect.die(new Error(`${method} is not used`))

  const fileSystem = FileSystem.make({
    access: (path) => run("access", path, () => void found(path)),
    chmod: (path, mode) =>
      change("chmod", path, () => {
        found(path).mode = mode
      }),
    chown: (path) => change("chown", path, () => void found(path)),
    copy: unused("copy"),
    copyFile: unused("copyFile"),
    link: (from, to) =>
      change("link", to, () => {
        const inode = found(from)
        const at = NodePath.resolve("/", to)
        if (disk.find(at) !== undefined) throw new DiskError("EEXIST", `file already exists, link '${to}'`)
        disk.name(at, inode)
      }),
    lstat: (path) =>
      run("lstat", path, () => {
        const inode = disk.find(NodePath.resolve("/", path))
        if (inode === undefined) throw notFound(path)
        return infoOf(inode)
      }),
    makeDirectory: (path, options) =>
      change("makeDirectory", path, () => makeDirectory(path, options?.recursive ?? false, options?.mode ?? 0o777)),
    makeTempDirectory: unused("makeTempDirectory"),
    makeTempDirectoryScoped: unused("makeTempDirectoryScoped"),
    makeTempFile: unused("makeTempFile"),
    makeTempFileScoped: unused("makeTempFileScoped"),
    open: (path, options) => {
      const flag = options?.flag ?? "r"
      const opened = (body: () => { inode: Inode; at: string }) =>
        flag.startsWith("r") ? run("open", path, body) : change("open", path, body)
      return Effect.acquireRelease(
        opened(() => openNow(path, flag, options?.mode ?? 0o666)),
        () => Effect.sync(() => open--)
      ).pipe(Effect.map(({ at, inode }) => makeFile(inode, at, flag.startsWith("a"))))
    },
    readDirectory: (path) =>
      run("readDirectory", path, () => {
        briefly(path)
        if (found(path).type !== "Directory") throw new DiskError("ENOTDIR", `not a directory, scandir '${path}'`)
        return [...disk.names(disk.resolve(path))]
      }),
    readDirectoryEntries: unused("readDirectoryEntries"),
    readFile: (path) =>
      run("readFile", path, () => {
        briefly(path)
        if (/^\/proc\/\d+\/stat$/.test(path)) return Buffer.from(`1 (node) S${" 0".repeat(18)} ${began} 0`)
        const inode = found(path)
        if (inode.type === "Directory") throw new DiskError("EISDIR", "illegal operation on a directory, read")
        return inode.content.slice(0, inode.length)
      }),
    readLink: (path) =>
      run("readLink", path, () => {
        const inode = disk.find(NodePath.resolve("/", path))
        if (inode?.type !== "SymbolicLink") throw new DiskError("EINVAL", `invalid argument, readlink '${path}'`)
        return inode.target
      }),
    realPath: (path) =>
      run("realPath", path, () => {
        found(path)
        return disk.resolve(path)
      }),
    remove: (path, options) => change("remove", path, () => remove(path, options as never)),
    rename: (from, to) =>
      change("rename", to, () => {
        const at = NodePath.resolve("/", from)
        const inode = disk.find(at)
        if (inode === undefined) throw notFound(from)
        disk.name(NodePath.resolve("/", to), inode)
        disk.name(at, undefined)
      }),
    stat: (path) => run("stat", path, () => infoOf(found(path))),
    symlink: (target, path) =>
      change("symlink", path, () => void disk.create(NodePath.resolve("/", path), "SymbolicLink", 0o777, target)),
    truncate: (path, length) => change("truncate", path, () => disk.truncate(found(path), length ?? 0)),
    utimes: unused("utimes"),
    watch: unused("watch") as never,
    writeFile: (path, bytes, options) => {
      const written = (body: (inode: Inode) => void) => () => {
        const { inode } = openNow(path, options?.flag ?? "w", options?.mode ?? 0o666)
        open--
        body(inode)
      }
      return change(
        "writeFile",
        path,
        written((inode) => disk.write(inode, 0, bytes)),
        written((inode) => disk.write(inode, 0, bytes.subarray(0, random.below(bytes.length))))
      )
    }
  })

  const self: Process = {
    fileSystem,
    isAlive: true,
    changes: 0,
    killedAt: Infinity,
    maxOpenFiles: Infinity,
    failingSyncs: 0,
    openFiles: () => open
  }
  return self
}
