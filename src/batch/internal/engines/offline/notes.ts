/**
 * What the journal of a run knows about batches. It is written before every remote call, so that the next run finds each
 * batch again: a batch without a reference may or may not have been submitted.
 *
 * A batch has two notes: its items, which are many and never change, and its state.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Reference } from "../../../../llm/LlmBatch.ts"
import type { BatchError } from "../../../BatchError.ts"
import type { Journal, Note } from "../../../Journal.ts"
import { journalFailure } from "../../errors.ts"
import { Carried } from "./rows.ts"

const State = Schema.Struct({
  name: Schema.String,
  provider: Schema.String,
  origin: Schema.String,
  model: Schema.String,
  tokens: Schema.Natural,
  startMillis: Schema.Finite,
  reference: Schema.NullOr(Reference)
})

const Items = Schema.Struct({
  /** The keys of the claims, in the order of the lines. */
  keys: Schema.Array(Schema.String),
  carried: Schema.Array(Schema.Tuple([Schema.Natural, Carried]))
})

export interface State extends Schema.Schema.Type<typeof State> {}
export interface Items extends Schema.Schema.Type<typeof Items> {}

const stateCodec = Schema.toCodecJson(State)
const encodeState = Schema.encodeSync(stateCodec)
const decodeState = Schema.decodeUnknownOption(stateCodec)
const itemsCodec = Schema.toCodecJson(Items)
const encodeItems = Schema.encodeSync(itemsCodec)
const decodeItems = Schema.decodeUnknownOption(itemsCodec)

const statePrefix = "offline batch "
const itemsPrefix = "offline items "

type JournalService = Journal["Service"]

const note = (journal: JournalService, name: string, value: Schema.Json): Effect.Effect<void, BatchError> =>
  Effect.mapError(journal.note(name, value), journalFailure)

/** Before anything is sent. */
export const intend = (journal: JournalService, state: State, items: Items): Effect.Effect<void, BatchError> =>
  Effect.andThen(
    note(journal, itemsPrefix + state.name, encodeItems(items)),
    note(journal, statePrefix + state.name, encodeState(state))
  )

export const submitted = (journal: JournalService, state: State): Effect.Effect<void, BatchError> =>
  note(journal, statePrefix + state.name, encodeState(state))

/** All results are recorded, or the items are in another batch. */
export const done = (journal: JournalService, name: string): Effect.Effect<void, BatchError> =>
  Effect.andThen(note(journal, statePrefix + name, null), note(journal, itemsPrefix + name, null))

export interface Known {
  readonly state: State
  readonly items: Items
}

/** The batches that are not done, in the order in which they were begun. Forgets items that are in none. */
export const read = Effect.fnUntraced(function*(
  journal: JournalService
): Effect.fn.Return<ReadonlyArray<Known>, BatchError> {
  const states = new Map<string, State>()
  const items = new Map<string, Items>()
  const keep = ({ name, value }: Note): void => {
    if (name.startsWith(itemsPrefix)) {
      const found = decodeItems(value)
      if (Option.isSome(found)) items.set(name.slice(itemsPrefix.length), found.value)
    } else if (name.startsWith(statePrefix)) {
      const found = decodeState(value)
      if (Option.isSome(found)) states.set(found.value.name, found.value)
    }
  }
  yield* Effect.mapError(
    Stream.runForEach(journal.notes, (note) => Effect.sync(() => keep(note))),
    journalFailure
  )
  const known: Array<Known> = []
  for (const [name, list] of items) {
    const state = states.get(name)
    if (state === undefined) yield* note(journal, itemsPrefix + name, null)
    else known.push({ state, items: list })
  }
  return known
})
