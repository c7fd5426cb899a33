/**
 * A map of limited size that evicts the entry that was used least recently.
 *
 * Written by hand: `effect/Cache` evicts in the same way, but fills itself by a lookup and hashes every key, which costs
 * more than a hit may.
 */
export interface LruMap<in K, in out A> {
  readonly get: (key: K) => A | undefined
  readonly set: (key: K, value: A) => void
  readonly delete: (key: K) => void
}

export const make = <K, A>(capacity: number): LruMap<K, A> => {
  // A Map keeps the order of insertion, so an entry that is inserted again when it is used is the last to be evicted.
  const entries = new Map<K, A>()
  return {
    get: (key) => {
      const value = entries.get(key)
      if (value === undefined) return undefined
      entries.delete(key)
      entries.set(key, value)
      return value
    },
    set: (key, value) => {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size <= capacity) return
      for (const oldest of entries.keys()) {
        entries.delete(oldest)
        break
      }
    },
    delete: (key) => {
      entries.delete(key)
    }
  }
}
