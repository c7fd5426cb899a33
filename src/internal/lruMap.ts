/** A map of bounded size that evicts the least recently used entry. */
export interface LruMap<A, K = string> {
  readonly get: (key: K) => A | undefined
  readonly set: (key: K, value: A) => void
  readonly delete: (key: K) => void
}

export const make = <A, K = string>(capacity: number): LruMap<A, K> => {
  // A Map keeps the order of insertion, so an entry that is inserted again when it is used stays behind the others.
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
      if (entries.size > capacity) entries.delete(entries.keys().next().value!)
    },
    delete: (key) => {
      entries.delete(key)
    }
  }
}
