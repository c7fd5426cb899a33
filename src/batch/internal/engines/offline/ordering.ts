/** Emits items in the order of the source, if that is asked for. Items that finish early wait in memory. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

export interface Ordering<in A> {
  /** The next item of the source that will be emitted. */
  readonly expect: (index: number) => void
  readonly emit: (item: A) => Effect.Effect<void>
}

export const make = <A extends { readonly index: number }>(
  ordered: boolean,
  offer: (item: A) => Effect.Effect<void>
): Ordering<A> => {
  if (!ordered) return { expect: () => {}, emit: offer }
  const early = new Map<number, A>()
  const oneAtATime = Semaphore.makeUnsafe(1)
  let expected: Array<number> = []
  let head = 0

  const next = (): A | undefined => {
    const index = expected[head]
    const item = index === undefined ? undefined : early.get(index)
    if (item === undefined) return undefined
    early.delete(index!)
    head++
    if (head > 1024 && head > expected.length / 2) {
      expected = expected.slice(head)
      head = 0
    }
    return item
  }

  const drain = oneAtATime.withPermit(Effect.gen(function*() {
    for (let item = next(); item !== undefined; item = next()) yield* offer(item)
  }))

  return {
    expect: (index) => {
      expected.push(index)
    },
    emit: (item) =>
      Effect.suspend(() => {
        early.set(item.index, item)
        return drain
      })
  }
}
