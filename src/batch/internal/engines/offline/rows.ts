/** The items of offline batches: what each of them carries along, and where it is in its batch. */
import * as Schema from "effect/Schema"
import { Cut, Patching } from "../../../../extraction/Compiled.ts"
import { InvalidAttempt } from "../../../../extraction/ExtractionError.ts"
import type { Reference } from "../../../../llm/LlmBatch.ts"
import type { LlmRequest } from "../../../../llm/LlmRequest.ts"
import { Usage, zero } from "../../../../llm/Usage.ts"
import type { Planned } from "../../item.ts"

/** What an item carries along from earlier batches. */
export const Carried = Schema.Struct({
  attempts: Schema.Natural,
  usage: Usage,
  invalid: Schema.Array(InvalidAttempt),
  /** The answer whose rest is asked for. */
  cut: Schema.optionalKey(Cut),
  /** The value whose invalid places are asked for. */
  patching: Schema.optionalKey(Patching),
  /** How often it was sent again, because it was not answered. */
  retries: Schema.Natural
})

export interface Carried extends Schema.Schema.Type<typeof Carried> {}

export const fresh: Carried = { attempts: 0, usage: zero, invalid: [], retries: 0 }

/** An item on its way into a batch, or to a request online. */
export interface Row<out In> {
  readonly item: Planned<In>
  readonly carried: Carried
  /** The request of a reask. Without it, the first request is built again. */
  readonly reask: LlmRequest | undefined
  /** The batch that the item was in before, which is not done while the item has no other place. */
  readonly origin: Origin | undefined
  readonly startMillis: number
}

/** What a batch is to the items that were in it. */
export interface Origin {
  readonly name: string
  /** The items of this run that have not found another place. */
  left: number
  /** Whether all of its results have been read. */
  collected: boolean
}

/** A submitted batch. An item's id in it is the name with the position of the item. */
export interface Batch<in out In> extends Origin {
  readonly model: string
  readonly tokens: number
  readonly startMillis: number
  /** Another process submitted it. */
  readonly recovered: boolean
  readonly items: Array<Planned<In> | undefined>
  readonly carried: Map<number, Carried>
  readonly reference: Reference
}

export const idOf = (name: string, position: number): string => `${name}-${position}`

/** The position in the id of a result, or -1 if it is no item of a batch of this name and size. */
export const positionIn = (name: string, size: number, id: string): number => {
  if (!id.startsWith(name) || id[name.length] !== "-") return -1
  const text = id.slice(name.length + 1)
  const position = /^\d+$/.test(text) ? Number(text) : -1
  return position < size ? position : -1
}
