/**
 * The items that a journal accounts for: a bit for each item without an id, and a hash of 52 bits for each id and one of
 * 32 bits for its line, so that millions of them take little memory.
 */

export interface Accounted {
  readonly add: (id: string | null, index: number) => void
  /** Adds the line of an item with an id, by which a line whose id was damaged is found. */
  readonly addLine: (index: number, line: string) => void
  /** Whether a line of an output belongs to one of them. */
  readonly has: (id: string, index: number, line: string) => boolean
}

export const make = (): Accounted => {
  const indexes = makeBits()
  const ids = new Set<number>()
  const lines = makeNumbers()
  return {
    add: (id, index) => {
      if (id === null) indexes.add(index)
      else ids.add(hash(id))
    },
    addLine: (index, line) => lines.set(index, lineHash(line)),
    has: (id, index, line) =>
      ids.size > 0 && ids.has(hash(id)) ||
      // The id of an item without one is its index. A damaged line may have one of them wrong.
      /^\d{1,15}$/.test(id) && indexes.has(Number(id)) ||
      (ids.size === 0 ? indexes.has(index) : lines.get(index) === lineHash(line))
  }
}

/** An index beyond this is damaged. */
const maxIndex = 2 ** 33

const makeBits = () => {
  let bits = new Uint8Array(1024)
  return {
    add: (index: number): void => {
      if (index > maxIndex) return
      const at = Math.floor(index / 8)
      if (at >= bits.length) {
        const old = bits
        bits = new Uint8Array(Math.max(at + 1, 2 * old.length))
        bits.set(old)
      }
      bits[at]! |= 1 << index % 8
    },
    has: (index: number): boolean => ((bits[Math.floor(index / 8)] ?? 0) >> index % 8 & 1) === 1
  }
}

/** 32 bits for each index, of which 0 means none. */
const makeNumbers = () => {
  let numbers = new Uint32Array(1024)
  return {
    get: (index: number): number | undefined => numbers[index],
    set: (index: number, value: number): void => {
      if (index > maxIndex / 64) return
      if (index >= numbers.length) {
        const old = numbers
        numbers = new Uint32Array(Math.max(index + 1, 2 * old.length))
        numbers.set(old)
      }
      numbers[index] = value
    }
  }
}

/** Of everything in a line behind its id. */
const lineHash = (line: string): number =>
  Math.max(1, Math.floor(hash(line.slice(line.indexOf(`"status":`))) / 2 ** 20))

/** Twice FNV-1a. */
const hash = (text: string): number => {
  let high = 0x811c9dc5
  let low = 0x01234567
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code + 0x9e37, 0x01000193)
  }
  return (high >>> 0) * 2 ** 20 + (low >>> 12)
}
