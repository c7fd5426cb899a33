/** A map of bounded size that forgets what has not been used for longest. */
export interface LruMap<A> {
  readonly get: (key: string) => A | undefined
  readonly set: (key: string, value: A) => void
  readonly delete: (key: string) => void
}

export const make = <A>(capacity: number): LruMap<A> => {
  // A Map keeps the order of insertion, so what is put back in when it is used stays behind what is not.
  const entries = new Map<string, A>()
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
