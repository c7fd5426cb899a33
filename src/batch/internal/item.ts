/** Items of a batch, before and after they are extracted. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { ExtractionError, InvalidInput } from "../../extraction/ExtractionError.ts"
import { type Usage, zero } from "../../llm/Usage.ts"
import type { Claim } from "../Journal.ts"
import type { Options } from "./options.ts"

/**
 * A finished item, an input with its result: what `Batch.stream` and `Batch.resumable` emit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item<out A, out In> {
  /** The position of the input in its source, from 0. */
  readonly index: number
  /** Its id, if the batch has an `id` option. */
  readonly id: string | undefined
  readonly input: In
  readonly result: Result.Result<A, ExtractionError>
  /** Completions received, whether it succeeded or failed. */
  readonly attempts: number
  /** The usage of these completions. */
  readonly usage: Usage
  /** The time from the request to the value or the error. */
  readonly latency: Duration.Duration
  /** Whether an earlier run finished it. Then the other fields are as recorded, and nothing was sent. */
  readonly restored: boolean
}

/** An input before it is extracted. Its request is built later, because requests may be large. */
export interface Planned<out In> {
  readonly index: number
  readonly id: string | undefined
  readonly input: In
  /** Fails the item before anything is sent. */
  readonly error: ExtractionError | undefined
  readonly claim: Claim | undefined
}

/** Gives each input its index and its id. */
export const plan = <In, E, R>(
  inputs: Stream.Stream<In, E, R>,
  extraction: string,
  { id }: Pick<Options<In>, "id">,
  indexOf?: (input: In) => number
): Stream.Stream<Planned<In>, E, R> => {
  let next = 0
  if (id === undefined) {
    return Stream.map(inputs, (input) => ({
      index: indexOf === undefined ? next++ : indexOf(input),
      id: undefined,
      input,
      error: undefined,
      claim: undefined
    }))
  }
  return Stream.map(inputs, (input) => {
    const index = indexOf === undefined ? next++ : indexOf(input)
    const named = Result.try(() => id(input, index))
    return Result.isSuccess(named)
      ? { index, id: named.success, input, error: undefined, claim: undefined }
      : {
        index,
        id: undefined,
        input,
        error: notSent(extraction, `The id option of the batch threw: ${String(named.failure)}`),
        claim: undefined
      }
  })
}

export const notSent = (extraction: string, description: string): ExtractionError =>
  new ExtractionError({ extraction, reason: new InvalidInput({ description }), attempts: 0, usage: zero })

/** The outcome of an item. */
export interface Outcome<out A> {
  readonly result: Result.Result<A, ExtractionError>
  readonly attempts: number
  readonly usage: Usage
  readonly latencyMillis: number
  readonly restored: boolean
}

export const finished = <A, In>({ id, index, input }: Planned<In>, outcome: Outcome<A>): Item<A, In> => ({
  index,
  id,
  input,
  result: outcome.result,
  attempts: outcome.attempts,
  usage: outcome.usage,
  latency: Duration.millis(outcome.latencyMillis),
  restored: outcome.restored
})
