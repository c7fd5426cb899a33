/**
 * Who waits, in the order of their turns: retries before reasks before first requests before what can wait, and among
 * those of one class the flows take turns, so that a long batch does not keep a short one waiting.
 */

/** Retries are in a class of their own, in front of all that others may ask for. */
const classes = 4

export interface Waiting {
  readonly flow: unknown
  /** From 0, which goes first. */
  readonly rank: number
  /** The order of arrival. A retry keeps its own. */
  readonly order: number
  cancelled: boolean
}

interface Flow<A> {
  readonly key: unknown
  readonly items: Array<A>
  head: number
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
    flow = { key: item.flow, items: [], head: 0 }
    byKey.set(item.flow, flow)
    turns.push(flow)
  }
  const { items } = flow
  items.push(item)
  // Only what is sent again may be older than the last in line.
  for (let i = items.length - 1; i > flow.head && items[i - 1]!.order > item.order; i--) {
    items[i] = items[i - 1]!
    items[i - 1] = item
  }
  queue.size++
}

/** Whose turn it is. */
export const peek = <A extends Waiting>(queue: FairQueue<A>): A | undefined => {
  if (queue.size === 0) return undefined
  for (const { byKey, turns } of queue.classes) {
    while (turns.length > 0) {
      const flow = turns[0]!
      while (flow.head < flow.items.length && flow.items[flow.head]!.cancelled) flow.head++
      if (flow.head < flow.items.length) return flow.items[flow.head]
      byKey.delete(flow.key)
      turns.shift()
    }
  }
  return undefined
}

/** Lets the one whose turn it is go. */
export const shift = <A extends Waiting>(queue: FairQueue<A>, item: A): void => {
  const { turns } = queue.classes[item.rank]!
  const flow = turns[0]!
  flow.head++
  queue.size--
  if (flow.head > 64 && flow.head * 2 > flow.items.length) {
    flow.items.splice(0, flow.head)
    flow.head = 0
  }
  if (turns.length > 1) turns.push(turns.shift()!)
}

/** Takes one out of the line, wherever it stands. */
export const cancel = <A extends Waiting>(queue: FairQueue<A>, item: A): void => {
  item.cancelled = true
  queue.size--
}

/** Everyone in the line. */
export function* entries<A extends Waiting>(queue: FairQueue<A>): Generator<A> {
  for (const { turns } of queue.classes) {
    for (const { head, items } of turns) {
      for (let i = head; i < items.length; i++) if (!items[i]!.cancelled) yield items[i]!
    }
  }
}
