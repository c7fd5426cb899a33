/** The engine of `Batch.elements`: each item is a streamed list. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Extraction } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import * as ExtractionStream from "../../../extraction/ExtractionStream.ts"
import { Llm } from "../../../llm/Llm.ts"
import { zero } from "../../../llm/Usage.ts"
import type { BatchError } from "../../BatchError.ts"
import { unrecoverable } from "../errors.ts"
import { finished, type Planned } from "../item.ts"
import type * as Pool from "../pool.ts"
import type { Handle, Run } from "../run.ts"

/**
 * An element of the list of one input: what `Batch.elements` emits.
 *
 * @category models
 * @since 0.1.0
 */
export interface ElementItem<out A, out In> {
  readonly input: In
  /** The position of the input in its source, from 0. */
  readonly inputIndex: number
  /** The id of the input, if the batch has an `id` option. */
  readonly id: string | undefined
  /** The position of the element in the list of its input, or `undefined` if the input itself failed. */
  readonly index: number | undefined
  readonly result: Result.Result<A, ExtractionError>
}

export const make = <A, Input, In extends Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  options: ExtractionStream.ElementsOptions
) =>
(run: Run<A, Input, In, R>): Handle<ElementItem<A, In>, In, R> => {
  const context = Effect.provideService(Llm, run.llm)
  return (item, control, turn) => context(one(run, self as Extraction<A, Input, R>, options, item, control, turn))
}

const one = Effect.fnUntraced(function*<A, Input, In extends Input, R>(
  run: Run<A, Input, In, R>,
  self: Extraction<A, Input, R>,
  options: ExtractionStream.ElementsOptions,
  item: Planned<In>,
  { emit, stop }: Pool.Control<ElementItem<A, In>, BatchError>,
  turn: number
): Effect.fn.Return<ElementItem<A, In> | undefined, BatchError, Llm | R> {
  const { clock, failurePolicy, feed } = run
  const { error, id, index, input } = item
  let summary: Pick<ExtractionStream.Summary, "attempts" | "usage"> = { attempts: 0, usage: zero }
  feed?.started(index, id)
  const start = clock.currentTimeMillisUnsafe()
  const elements = error === undefined
    ? ExtractionStream.elements(self, input, {
      ...options,
      onEnd: (ended) => Effect.sync(() => summary = ended)
    })
    : Stream.fail(error)
  const emitted = Stream.runForEach(
    elements,
    (element) => emit(turn, { input, inputIndex: index, id, index: element.index, result: element.result })
  )
  const result = yield* Effect.result(run.observed(item, emitted))
  const latencyMillis = clock.currentTimeMillisUnsafe() - start
  const { attempts, usage } = Result.isSuccess(result) ? summary : result.failure
  if (Result.isFailure(result) && result.failure.isUnrecoverable) {
    feed?.left(index)
    feed?.spent(attempts, usage)
    return yield* unrecoverable(result.failure)
  }
  feed?.finished(finished(item, { result, attempts, usage, latencyMillis, restored: false }))
  const tooMany = failurePolicy(result)
  if (tooMany !== undefined) stop(tooMany)
  return Result.isFailure(result)
    ? { input, inputIndex: index, id, index: undefined, result: Result.fail(result.failure) }
    : undefined
})
