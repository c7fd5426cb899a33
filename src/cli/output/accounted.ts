/**
 * The items that a journal accounts for: a bit for each item without an id, and a hash of 52 bits for each id, so that
 * millions of them take little memory.
 */

export interface Accounted {
  readonly add: (id: string | null, index: number) => void
  /** Whether a line of an output belongs to one of them. */
  readonly has: (id: string, index: number) => boolean
}

export const make = (): Accounted => {
  const indexes = makeBits()
  const ids = new Set<number>()
  return {
    add: (id, index) => {
      if (id === null) indexes.add(index)
      else ids.add(hash(id))
    },
    has: (id, index) =>
      ids.size > 0 && ids.has(hash(id)) ||
      // The id of an item without one is its index. A damaged line may have one of them wrong.
      /^\d{1,15}$/.test(id) && indexes.has(Number(id)) ||
      ids.size === 0 && indexes.has(index)
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
