/**
 * The place of the last record of each item in the journal file: a hash table in typed arrays. With 29 bytes a slot and
 * at least half of the slots in use, an item takes at most 58 bytes, a fraction of an entry of a `Map`.
 */

/** The first 96 bits of a hash. Two of a million items share them with a probability of 10^-17. */
export interface Key {
  readonly high: number
  readonly middle: number
  readonly low: number
}

export const noStatus = 0
export const okStatus = 1
export const errorStatus = 2
/** A note, which is no record of an item. */
export const noteStatus = 3

export interface JournalIndex {
  size: number
  /** The slot of a key, added if there is none. A slot is valid until the next call, because the table may grow. */
  readonly slotOf: (key: Key) => number
  readonly statusAt: (slot: number) => number
  readonly printAt: (slot: number) => number
  readonly offsetAt: (slot: number) => number
  readonly indexAt: (slot: number) => number
  readonly isClaimed: (slot: number) => boolean
  /** Whether the record belongs to other content than the claimed one. */
  readonly isStale: (slot: number) => boolean
  readonly record: (slot: number, entry: {
    readonly status: number
    readonly print: number
    readonly offset: number
    readonly index: number
  }) => void
  readonly claim: (slot: number, index: number, stale: boolean) => void
  readonly unclaimAll: () => void
}

const statusBits = 0b0011
const claimedBit = 0b0100
const staleBit = 0b1000
const usedBit = 0b10000

const maxLoad = 0.75
const growth = 1.5

const allocate = (capacity: number) => ({
  capacity,
  highs: new Uint32Array(capacity),
  middles: new Uint32Array(capacity),
  lows: new Uint32Array(capacity),
  prints: new Uint32Array(capacity),
  offsets: new Float64Array(capacity),
  indexes: new Uint32Array(capacity),
  flags: new Uint8Array(capacity)
})

export const make = (expectedSize: number): JournalIndex => {
  let slots = allocate(Math.max(1024, Math.ceil(expectedSize / maxLoad) + 1))

  const probe = ({ high, low, middle }: Key): number => {
    const { capacity, flags, highs, lows, middles } = slots
    // The key is a hash.
    let slot = Math.floor(high / 2 ** 32 * capacity)
    while (
      (flags[slot]! & usedBit) !== 0 &&
      !(highs[slot] === high && middles[slot] === middle && lows[slot] === low)
    ) slot = slot + 1 === capacity ? 0 : slot + 1
    return slot
  }

  const grow = (): void => {
    const old = slots
    slots = allocate(Math.ceil(old.capacity * growth))
    for (let from = 0; from < old.capacity; from++) {
      if ((old.flags[from]! & usedBit) === 0) continue
      const key = { high: old.highs[from]!, middle: old.middles[from]!, low: old.lows[from]! }
      const to = probe(key)
      slots.highs[to] = key.high
      slots.middles[to] = key.middle
      slots.lows[to] = key.low
      slots.prints[to] = old.prints[from]!
      slots.offsets[to] = old.offsets[from]!
      slots.indexes[to] = old.indexes[from]!
      slots.flags[to] = old.flags[from]!
    }
  }

  const self: JournalIndex = {
    size: 0,
    slotOf: (key) => {
      const slot = probe(key)
      if ((slots.flags[slot]! & usedBit) !== 0) return slot
      if (self.size >= slots.capacity * maxLoad) {
        grow()
        return self.slotOf(key)
      }
      self.size++
      slots.highs[slot] = key.high
      slots.middles[slot] = key.middle
      slots.lows[slot] = key.low
      slots.flags[slot] = usedBit
      return slot
    },
    statusAt: (slot) => slots.flags[slot]! & statusBits,
    printAt: (slot) => slots.prints[slot]!,
    offsetAt: (slot) => slots.offsets[slot]!,
    indexAt: (slot) => slots.indexes[slot]!,
    isClaimed: (slot) => (slots.flags[slot]! & claimedBit) !== 0,
    isStale: (slot) => (slots.flags[slot]! & staleBit) !== 0,
    record: (slot, { index, offset, print, status }) => {
      slots.prints[slot] = print
      slots.offsets[slot] = offset
      slots.indexes[slot] = index
      slots.flags[slot] = slots.flags[slot]! & claimedBit | usedBit | status
    },
    claim: (slot, index, stale) => {
      slots.indexes[slot] = index
      slots.flags[slot] = slots.flags[slot]! & ~staleBit | claimedBit | (stale ? staleBit : 0)
    },
    unclaimAll: () => {
      for (let slot = 0; slot < slots.capacity; slot++) slots.flags[slot]! &= ~(claimedBit | staleBit)
    }
  }
  return self
}
