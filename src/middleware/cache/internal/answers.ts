/** The answers that a cache keeps: the last ones used in memory, all of them in its store, if it has one. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as LruMap from "../../../internal/lruMap.ts"
import type { Completion } from "../../../llm/Completion.ts"
import type { CacheStore, Entry } from "./cacheStore.ts"
import { count, type Counts } from "./metrics.ts"
import { replayed, storable } from "./replayed.ts"

export interface Options {
  readonly counts: Counts
  readonly store: CacheStore | undefined
  readonly version: string
  readonly maxAgeMillis: number
  readonly capacity: number
  readonly keepRefusals: boolean
  readonly keepTruncated: boolean
}

export interface Answers {
  readonly fromMemory: (key: string, fiber: Fiber.Fiber<unknown, unknown>) => Completion | undefined
  readonly fromStore: (key: string) => Effect.Effect<Completion | undefined>
  readonly keep: (key: string, completion: Completion) => Effect.Effect<void>
  readonly forget: (key: string) => Effect.Effect<void>
}

export const make = (options: Options): Answers => {
  const { counts, maxAgeMillis, store, version } = options
  const memory = LruMap.make<string, Entry>(options.capacity)

  const isFresh = (entry: Entry, now: number): boolean => entry.version === version && now - entry.at < maxAgeMillis

  const fromMemory = (key: string, fiber: Fiber.Fiber<unknown, unknown>): Completion | undefined => {
    const entry = memory.get(key)
    if (entry === undefined) return undefined
    if (!isFresh(entry, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())) {
      memory.delete(key)
      return undefined
    }
    count(counts, "hits", fiber.context)
    return entry.completion
  }

  const use = (key: string, entry: Entry | undefined): Effect.Effect<Completion | undefined> =>
    Effect.withFiber((fiber) => {
      if (entry === undefined) return Effect.undefined
      if (!isFresh(entry, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())) {
        count(counts, "stale", fiber.context)
        return Effect.undefined
      }
      const completion = replayed(entry.completion)
      memory.set(key, { ...entry, completion })
      count(counts, "hits", fiber.context)
      return Effect.succeed(completion)
    })

  return {
    fromMemory,
    fromStore: (key) =>
      store === undefined ? Effect.undefined : Effect.flatMap(store.read(key), (entry) => use(key, entry)),
    keep: (key, completion) =>
      Effect.clockWith((clock) => {
        if (!isKept(completion, options)) return Effect.void
        const entry = { version, at: clock.currentTimeMillisUnsafe(), completion: replayed(completion) }
        memory.set(key, entry)
        return store === undefined ? Effect.void : store.write(key, { ...entry, completion: storable(completion) })
      }),
    forget: (key) =>
      Effect.suspend(() => {
        memory.delete(key)
        return store === undefined ? Effect.void : store.remove(key)
      })
  }
}

const isKept = ({ finishReason, refusal }: Completion, options: Options): boolean => {
  if (refusal !== undefined || finishReason === "content-filter") return options.keepRefusals
  return finishReason === "length" ? options.keepTruncated : true
}
