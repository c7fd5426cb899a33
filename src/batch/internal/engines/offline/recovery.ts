/** Finds the batches of earlier runs again. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BatchError } from "../../../BatchError.ts"
import { unrecoverable } from "../../errors.ts"
import type { Planned } from "../../item.ts"
import { type Context, providerFailure } from "./context.ts"
import * as Notes from "./notes.ts"
import * as Remote from "./remote.ts"
import { type Batch, fresh } from "./rows.ts"

export interface Recovered<in out In> {
  readonly batches: ReadonlyArray<Batch<In>>
  /** Gives an item its place in a batch, and returns whether it has one. */
  readonly attach: (item: Planned<In>, key: string) => boolean
}

export const recover = Effect.fnUntraced(function*<A, Input, In, R>(
  { compiled, journal, others, service }: Context<A, Input, In, R>
): Effect.fn.Return<Recovered<In>, BatchError> {
  const batches: Array<Batch<In>> = []
  const places = new Map<string, { readonly batch: Batch<In>; readonly position: number }>()
  const known = yield* Notes.read(journal)
  for (const { state: { reference } } of known) if (reference !== null) others.add(reference.id)
  for (const { items, state } of known) {
    if (state.provider !== service.provider || state.origin !== service.origin) {
      yield* Effect.logWarning(
        `The journal has a batch of ${state.provider} ${state.origin}, which this run cannot collect`
      )
      continue
    }
    // It may have been submitted, and its process killed before it knew.
    const reference = state.reference ?? Option.getOrUndefined(
      yield* Effect.mapError(
        Remote.find(service, {
          name: state.name,
          model: state.model,
          requests: items.keys.length,
          since: state.startMillis,
          others
        }),
        (error) => unrecoverable(providerFailure(compiled.extraction.name, error, fresh))
      )
    )
    if (reference === undefined) {
      yield* Notes.done(journal, state.name)
      continue
    }
    others.add(reference.id)
    if (state.reference === null) yield* Notes.submitted(journal, { ...state, reference })
    const batch: Batch<In> = {
      name: state.name,
      model: state.model,
      tokens: state.tokens,
      startMillis: state.startMillis,
      recovered: true,
      items: Array.from({ length: items.keys.length }),
      carried: new Map(items.carried),
      reference,
      left: 0,
      collected: false
    }
    batches.push(batch)
    // An item that went from one batch to another is in the later one.
    for (const [position, key] of items.keys.entries()) places.set(key, { batch, position })
  }
  return {
    batches,
    attach: (item, key) => {
      const place = places.get(key)
      if (place === undefined) return false
      places.delete(key)
      place.batch.items[place.position] = item
      place.batch.left++
      return true
    }
  }
})
