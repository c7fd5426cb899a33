/**
 * The requests that wait, in the order of their turns: retries, then high, normal and low priority. Within one priority
 * the flows take turns, so that a long batch does not hold up a short one.
 *
 * Effect's `Queue` and `PubSub` know one order only, and its semaphores wake waiters in the order of arrival. Here the
 * next one must be known before it is taken, because whether it may be sent depends on its size.
 */

/** Retries have a class of their own, before all priorities. */
const classes = 4

export interface Waiting {
  readonly flow: unknown
  /** The class, 0 first. */
  readonly rank: number
  /** The order of arrival, which most retries keep. */
  readonly order: number
  cancelled: boolean
}

interface Flow<A> {
  readonly key: unknown
  items: Array<A>
  head: number
  /** Removed items that are still in `items`. */
  cancelled: number
}

interface Class<A> {
  readonly byKey: Map<unknown, Flow<A>>
  /** The flows in the order of their turns. */
  readonly turns: Array<Flow<A>>
}

export interface FairQueue<A extends Waiting> {
  size: number
  readonly classes: ReadonlyArray<Class<A>>
}

export const make = <A extends Waiting>(): FairQueue<A> => ({
  size: 0,
  classes: Array.from({ length: classes }, () => ({ byKey: new Map(), turns: [] }))
})

export const push = <A extends Waiting>(queue: FairQueue<A>, item: A): void => {
  const { byKey, turns } = queue.classes[item.rank]!
  let flow = byKey.get(item.flow)
  if (flow === undefined) {
    flow = { key: item.flow, items: [], head: 0, cancelled: 0 }
    byKey.set(item.flow, flow)
    turns.push(flow)
  }
  const { items } = flow
  items.push(item)
  // Only a retry may be older than the last of the flow.
  for (let i = items.length - 1; i > flow.head && items[i - 1]!.order > item.order; i--) {
    items[i] = items[i - 1]!
    items[i - 1] = item
  }
  queue.size++
}

/** The next item. */
export const peek = <A extends Waiting>(queue: FairQueue<A>): A | undefined => {
  if (queue.size === 0) return undefined
  for (const { byKey, turns } of queue.classes) {
    while (turns.length > 0) {
      const flow = turns[0]!
      while (flow.head < flow.items.length && flow.items[flow.head]!.cancelled) {
        flow.head++
        flow.cancelled--
      }
      if (flow.head < flow.items.length) return flow.items[flow.head]
      byKey.delete(flow.key)
      turns.shift()
    }
  }
  return undefined
}

/** Removes the next item, which must be the result of `peek`. */
export const shift = <A extends Waiting>(queue: FairQueue<A>, item: A): void => {
  const { turns } = queue.classes[item.rank]!
  const flow = turns[0]!
  flow.head++
  queue.size--
  if (flow.head > 64 && flow.head * 2 > flow.items.length) compact(flow)
  if (turns.length > 1) turns.push(turns.shift()!)
}

/** Removes an item, wherever it stands. */
export const cancel = <A extends Waiting>(queue: FairQueue<A>, item: A): void => {
  const flow = queue.classes[item.rank]!.byKey.get(item.flow)!
  item.cancelled = true
  queue.size--
  // A flow that gets no turn must not keep what has left.
  if (++flow.cancelled > 64 && flow.cancelled * 2 > flow.items.length) compact(flow)
}

const compact = <A extends Waiting>(flow: Flow<A>): void => {
  flow.items = flow.items.filter((item, i) => i >= flow.head && !item.cancelled)
  flow.head = 0
  flow.cancelled = 0
}

/** All items. */
export function* entries<A extends Waiting>(queue: FairQueue<A>): Generator<A> {
  for (const { turns } of queue.classes) {
    for (const { head, items } of turns) {
      for (let i = head; i < items.length; i++) if (!items[i]!.cancelled) yield items[i]!
    }
  }
}
