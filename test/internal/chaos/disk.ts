/**
 * A disk in memory, with the rules of POSIX, that outlives the processes that use it. It has a size, and a power failure
 * leaves of it what was synced and some of the rest.
 */
import { posix as NodePath } from "node:path"
import type { Random } from "./random.ts"

/** What happened to the content of a file since it was synced. */
type Change = { readonly offset: number; readonly bytes: Uint8Array } | { readonly length: number }

export interface Inode {
  readonly id: number
  readonly type: "File" | "Directory" | "SymbolicLink"
  mode: number
  modified: number
  /** Where a symbolic link points to. */
  readonly target: string
  content: Uint8Array
  length: number
  synced: Uint8Array
  changes: Array<Change>
}

/** The creation, renaming or removal of a name, until its directory is synced. */
interface NameChange {
  readonly directory: string
  readonly path: string
  readonly inode: Inode | undefined
}

/** An error with the code and the message of the system's own. */
export class DiskError extends Error {
  readonly code: string
  constructor(code: string, description: string) {
    super(`${code}: ${description}`)
    this.code = code
  }
}

export interface Disk {
  /** The number of bytes that all files may have together. */
  capacity: number
  readonly find: (path: string) => Inode | undefined
  /** Follows symbolic links. */
  readonly resolve: (path: string) => string
  readonly names: (directory: string) => ReadonlyArray<string>
  readonly create: (path: string, type: Inode["type"], mode: number, target?: string) => Inode
  readonly name: (path: string, inode: Inode | undefined) => void
  /** Fails after as many bytes as still fit. */
  readonly write: (inode: Inode, offset: number, bytes: Uint8Array) => void
  readonly truncate: (inode: Inode, length: number) => void
  readonly sync: (inode: Inode, path: string) => void
  readonly used: () => number
  readonly powerFailure: (random: Random) => void
  /** For a test: as a user who edits files, or as a disk that damages them. */
  readonly read: (path: string) => Uint8Array | undefined
  readonly put: (path: string, content: Uint8Array | string) => void
  readonly remove: (path: string) => void
}

const sectorSize = 512

export const make = (now: () => number): Disk => {
  let names = new Map<string, Inode>()
  let durableNames = new Map<string, Inode>()
  let nameChanges: Array<NameChange> = []
  let nextId = 1

  const makeInode = (type: Inode["type"], mode: number, target = ""): Inode => ({
    id: nextId++,
    type,
    mode,
    modified: now(),
    target,
    content: new Uint8Array(0),
    length: 0,
    synced: new Uint8Array(0),
    changes: []
  })

  const root = makeInode("Directory", 0o755)
  names.set("/", root)
  durableNames.set("/", root)

  const setName = (map: Map<string, Inode>, path: string, inode: Inode | undefined): void => {
    if (inode === undefined) map.delete(path)
    else map.set(path, inode)
  }

  const name = (path: string, inode: Inode | undefined): void => {
    setName(names, path, inode)
    nameChanges.push({ directory: NodePath.dirname(path), path, inode })
  }

  const resolve = (path: string): string => {
    let at = NodePath.resolve("/", path)
    for (let links = 0; links < 32; links++) {
      const inode = names.get(at)
      if (inode?.type !== "SymbolicLink") return at
      at = NodePath.resolve(NodePath.dirname(at), inode.target)
    }
    throw new DiskError("ELOOP", `too many symbolic links encountered, open '${path}'`)
  }

  const setLength = (inode: Inode, length: number): void => {
    if (length > inode.content.length) {
      const larger = new Uint8Array(Math.max(length, 2 * inode.content.length))
      larger.set(inode.content.subarray(0, inode.length))
      inode.content = larger
    }
    if (length > inode.length) inode.content.fill(0, inode.length, length)
    inode.length = length
  }

  const store = (inode: Inode, offset: number, bytes: Uint8Array): void => {
    if (offset + bytes.length > inode.length) setLength(inode, offset + bytes.length)
    inode.content.set(bytes, offset)
  }

  const used = (): number => {
    let sum = 0
    for (const inode of new Set(names.values())) sum += inode.length
    return sum
  }

  const write = (inode: Inode, offset: number, bytes: Uint8Array): void => {
    const growth = Math.max(0, offset + bytes.length - inode.length)
    const room = Math.max(0, disk.capacity - used())
    const fits = growth <= room ? bytes : bytes.subarray(0, bytes.length - (growth - room))
    if (fits.length > 0) {
      store(inode, offset, fits)
      inode.changes.push({ offset, bytes: fits.slice() })
      inode.modified = now()
    }
    if (fits.length < bytes.length) throw new DiskError("ENOSPC", "no space left on device, write")
  }

  const sync = (inode: Inode, path: string): void => {
    if (inode.type === "Directory") {
      const rest: Array<NameChange> = []
      for (const change of nameChanges) {
        if (change.directory === path) setName(durableNames, change.path, change.inode)
        else rest.push(change)
      }
      nameChanges = rest
    } else if (inode.changes.length > 0) {
      inode.synced = inode.content.slice(0, inode.length)
      inode.changes = []
    }
  }

  /** Any of the sectors that were written since the last sync, in any order. */
  const losePower = (inode: Inode, random: Random): void => {
    const { changes, synced } = inode
    inode.changes = []
    if (changes.length === 0) return
    setLength(inode, 0)
    store(inode, 0, synced)
    for (const change of changes) {
      if ("length" in change) {
        if (random.chance(0.7)) setLength(inode, change.length)
        continue
      }
      const { bytes, offset } = change
      const isWhole = random.chance(0.5)
      for (let from = offset; from < offset + bytes.length;) {
        const to = Math.min(offset + bytes.length, (Math.floor(from / sectorSize) + 1) * sectorSize)
        if (isWhole || random.chance(0.6)) store(inode, from, bytes.subarray(from - offset, to - offset))
        from = to
      }
    }
    inode.synced = inode.content.slice(0, inode.length)
  }

  const disk: Disk = {
    capacity: Infinity,
    find: (path) => names.get(path),
    resolve,
    names: (directory) => {
      const prefix = directory === "/" ? "/" : `${directory}/`
      return Array.from(names.keys()).filter((path) =>
        path !== "/" && path.startsWith(prefix) && !path.slice(prefix.length).includes("/")
      ).map((path) => path.slice(prefix.length))
    },
    create: (path, type, mode, target) => {
      const parent = names.get(NodePath.dirname(path))
      if (parent === undefined) throw new DiskError("ENOENT", `no such file or directory, open '${path}'`)
      const inode = makeInode(type, mode, target)
      name(path, inode)
      return inode
    },
    name,
    write,
    truncate: (inode, length) => {
      setLength(inode, length)
      inode.changes.push({ length })
      inode.modified = now()
    },
    sync,
    used,
    powerFailure: (random) => {
      // Names change in their order, as in a file system with a journal of its own.
      for (const { inode, path } of nameChanges.slice(0, random.below(nameChanges.length + 1))) {
        setName(durableNames, path, inode)
      }
      nameChanges = []
      names = new Map(durableNames)
      for (const inode of new Set(names.values())) losePower(inode, random)
    },
    read: (path) => {
      const inode = names.get(path)
      return inode === undefined ? undefined : inode.content.slice(0, inode.length)
    },
    put: (path, content) => {
      const inode = names.get(path) ?? makeInode("File", 0o644)
      setLength(inode, 0)
      store(inode, 0, typeof content === "string" ? Buffer.from(content) : content)
      inode.synced = inode.content.slice(0, inode.length)
      inode.changes = []
      names.set(path, inode)
      durableNames.set(path, inode)
    },
    remove: (path) => {
      names.delete(path)
      durableNames.delete(path)
    }
  }
  return disk
}
