/** Sorts the lines of a file by index without holding them in memory: 20 bytes for each line. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as LruMap from "../../internal/lruMap.ts"

/** The place of each line, in the order in which they were written. */
export interface Places {
  readonly add: (index: number, length: number) => void
  /** The lines by index, each with its offset and length. */
  readonly sorted: () => Iterable<{ readonly offset: number; readonly length: number }>
}

export const makePlaces = (): Places => {
  let capacity = 1024
  let size = 0
  let end = 0
  let indexes = new Float64Array(capacity)
  let offsets = new Float64Array(capacity)

  const grow = (): void => {
    capacity *= 2
    const old = { indexes, offsets }
    indexes = new Float64Array(capacity)
    offsets = new Float64Array(capacity)
    indexes.set(old.indexes)
    offsets.set(old.offsets)
  }

  return {
    add: (index, length) => {
      if (size === capacity) grow()
      indexes[size] = index
      offsets[size] = end
      size++
      end += length
    },
    sorted: function*() {
      const order = Uint32Array.from({ length: size }, (_, i) => i).toSorted((a, b) =>
        indexes[a]! - indexes[b]! || a - b
      )
      for (const at of order) {
        const offset = offsets[at]!
        yield { offset, length: (at + 1 < size ? offsets[at + 1]! : end) - offset }
      }
    }
  }
}

const blockSize = 256 * 1024
const maxBlocks = 64
const writeSize = 1024 * 1024

/** Lines written at about the same time have about the same index, so few blocks of the file are needed at once. */
export const write = Effect.fnUntraced(function*(
  places: Places,
  source: FileSystem.File,
  target: FileSystem.File
): Effect.fn.Return<void, PlatformError> {
  const blocks = LruMap.make<number, Uint8Array>(maxBlocks)

  const blockAt = Effect.fnUntraced(function*(number: number) {
    const block = new Uint8Array(blockSize)
    let length = 0
    while (length < blockSize) {
      const count = yield* source.read(block.subarray(length), { position: BigInt(number * blockSize + length) })
      if (count === 0) break
      length += count
    }
    blocks.set(number, block)
    return block
  })

  let parts: Array<Uint8Array> = []
  let partsLength = 0
  const flush = Effect.suspend(() => {
    const bytes = Buffer.concat(parts)
    parts = []
    partsLength = 0
    return bytes.length === 0 ? Effect.void : target.writeAll(bytes)
  })

  for (const { length, offset } of places.sorted()) {
    for (let at = offset; at < offset + length;) {
      const number = Math.floor(at / blockSize)
      const start = at - number * blockSize
      const end = Math.min(blockSize, start + offset + length - at)
      const known = blocks.get(number)
      // A copy, because the block may be evicted before it is written.
      parts.push((known ?? (yield* blockAt(number))).slice(start, end))
      at += end - start
    }
    partsLength += length
    if (partsLength >= writeSize) yield* flush
  }
  yield* flush
})
