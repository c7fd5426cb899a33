/** Collects rows into batches, and submits them. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Compiled from "../../../../extraction/Compiled.ts"
import type * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { isLlmError, type LlmError } from "../../../../llm/LlmError.ts"
import * as TokenCount from "../../../../llm/TokenCount.ts"
import type { BatchError } from "../../../BatchError.ts"
import { unrecoverable } from "../../errors.ts"
import { type Context, providerFailure, release, settle } from "./context.ts"
import * as Notes from "./notes.ts"
import type { Size } from "./options.ts"
import * as Remote from "./remote.ts"
import { type Batch, type Carried, fresh, idOf, type Row } from "./rows.ts"
import type { Spool } from "./spool.ts"

export interface Parts<in In> {
  /** Puts a row into the open part. A part that is full is submitted first. */
  readonly add: (row: Row<In>) => Effect.Effect<void, BatchError>
  /** Submits the open part, if it has rows. */
  readonly flush: Effect.Effect<void, BatchError>
}

interface Part<in out In> {
  readonly name: string
  readonly model: string
  readonly spool: Spool
  readonly rows: Array<Row<In>>
  bytes: number
  tokens: number
}

export interface Dependencies<In> {
  readonly size: Size
  readonly openSpool: Effect.Effect<Spool, BatchError>
  readonly countText: TokenCount.CountText
  /** Waits for the results of a submitted batch. */
  readonly watch: (batch: Batch<In>) => Effect.Effect<void>
  /** Takes a row that is too late for a batch. */
  readonly toOnline: (row: Row<In>) => Effect.Effect<void>
}

export const make = <A, Input, In, R>(
  context: Context<A, Input, In, R>,
  { countText, openSpool, size, toOnline, watch }: Dependencies<In>
): Parts<In> => {
  const { allowance, compiled, service, state, toRequest } = context
  const { extraction } = compiled
  // One at a time, so that the lines of a part are not mixed, and no more than one part waits to be submitted.
  const oneAtATime = Semaphore.makeUnsafe(1)
  let part: Part<In> | undefined

  const open = Effect.fnUntraced(function*(model: string) {
    part = { name: yield* newName, model, spool: yield* openSpool, rows: [], bytes: 0, tokens: 0 }
    return part
  })

  const fits = (part: Part<In>, model: string, bytes: number, tokens: number): boolean =>
    part.rows.length === 0 && part.model === model ||
    part.model === model && part.rows.length < size.requests && part.bytes + bytes <= size.bytes &&
      part.tokens + tokens <= Math.min(size.tokens, allowance.most())

  const add = Effect.fnUntraced(function*(row: Row<In>): Effect.fn.Return<void, BatchError> {
    if (state.stopped !== undefined) return
    if (state.isLate) return yield* toOnline(row)
    const request = row.reask === undefined
      ? Result.map(toRequest(row.item), (first) => Compiled.requestOf(compiled, first, row.carried))
      : Result.succeed(row.reask)
    if (Result.isFailure(request)) return yield* settle(context, row, Result.fail(request.failure))
    const { model } = request.success
    const tokens = TokenCount.prompt(request.success, countText)
    let into = part ?? (yield* open(model))
    let line = service.encode(idOf(into.name, into.rows.length), request.success)
    while (Result.isSuccess(line) && !fits(into, model, byteLength(line.success), tokens)) {
      yield* submit
      // Rows that found no room may have opened another part.
      into = part ?? (yield* open(model))
      line = service.encode(idOf(into.name, into.rows.length), request.success)
    }
    if (Result.isFailure(line)) {
      return yield* settle(context, row, Result.fail(providerFailure(extraction.name, line.failure, row.carried)))
    }
    const text = `${line.success}\n`
    yield* into.spool.append(text)
    into.rows.push(row)
    into.bytes += byteLength(text)
    into.tokens += tokens
  })

  const submit: Effect.Effect<void, BatchError> = Effect.suspend(() => {
    const full = part
    if (full === undefined) return Effect.void
    part = undefined
    return Effect.ensuring(full.rows.length === 0 ? Effect.void : send(full), full.spool.close)
  })

  const send = Effect.fnUntraced(function*(
    { bytes, model, name, rows, spool, tokens }: Part<In>
  ): Effect.fn.Return<void, BatchError> {
    if (state.isLate) return yield* Effect.forEach(rows, toOnline, { discard: true })
    yield* allowance.take(tokens)
    if (state.isLate) {
      allowance.release(tokens)
      return yield* Effect.forEach(rows, toOnline, { discard: true })
    }
    const startMillis = context.clock.currentTimeMillisUnsafe()
    const carried = new Map<number, Carried>()
    for (const [position, row] of rows.entries()) if (row.carried !== fresh) carried.set(position, row.carried)
    const { origin, provider } = service
    const intent: Notes.State = { name, provider, origin, model, tokens, startMillis, reference: null }
    yield* Notes.intend(context.journal, intent, {
      keys: rows.map(({ item }) => item.claim!.key),
      carried: Array.from(carried)
    })
    for (const { origin } of rows) if (origin !== undefined) yield* release(context, origin)
    const lines = yield* spool.lines
    const submission = { name, model, requests: rows.length, bytes, lines }
    const sought = { since: startMillis, others: context.others }
    const submitted = yield* Effect.result(Remote.submit(service, submission, sought, allowance.othersChanged))
    if (Result.isFailure(submitted)) {
      const { failure } = submitted
      const isFull = isLlmError(failure) && Remote.isEnqueuedLimit(failure)
      if (isFull) allowance.refused(tokens)
      allowance.release(tokens)
      if (isFull) {
        yield* Notes.done(context.journal, name)
        return yield* Effect.forEach(rows, (row) => add({ ...row, origin: undefined }), { discard: true })
      }
      return yield* refuse(context, toOnline, rows, name, failure)
    }
    const reference: LlmBatch.Reference = submitted.success
    context.others.add(reference.id)
    yield* Notes.submitted(context.journal, { ...intent, reference })
    yield* watch({
      name,
      model,
      tokens,
      startMillis,
      recovered: false,
      items: rows.map(({ item }) => item),
      carried,
      reference,
      left: rows.length,
      collected: false
    })
  })

  return {
    add: (row) => oneAtATime.withPermit(add(row)),
    flush: oneAtATime.withPermit(submit)
  }
}

/** Ends the rows of a batch that the provider does not take at all. */
const refuse = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  toOnline: Dependencies<In>["toOnline"],
  rows: ReadonlyArray<Row<In>>,
  name: string,
  error: LlmError | BatchError
): Effect.fn.Return<void, BatchError> {
  const { compiled: { extraction }, finish, journal } = context
  if (!isLlmError(error)) return yield* error
  if (error.isRetryable || error.isUnrecoverable) {
    // It may exist all the same. The next run looks for it.
    return yield* unrecoverable(providerFailure(extraction.name, error, fresh))
  }
  yield* Notes.done(journal, name)
  for (const row of rows) {
    const free = { ...row, origin: undefined }
    yield* finish === "online"
      ? toOnline(free)
      : settle(context, free, Result.fail(providerFailure(extraction.name, error, row.carried)))
  }
})

const nameLength = 14
const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

/** A name that no other batch has: 72 bits of chance. */
export const newName: Effect.Effect<string> = Effect.map(
  Effect.forEach(
    Array.from({ length: nameLength }),
    () => Random.nextIntBetween(0, letters.length, { halfOpen: true })
  ),
  (numbers) => `ei-${numbers.map((number) => letters[number]!).join("")}`
)

const encoder = new TextEncoder()

// oxlint-disable-next-line eslint/no-control-regex
const notAscii = /[^\u0000-\u007F]/

export const byteLength = (text: string): number => {
  // Most lines are plain ASCII.
  return notAscii.test(text) ? encoder.encode(text).length : text.length
}
