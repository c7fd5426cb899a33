/** Finishes items with single requests. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Compiled from "../../../../extraction/Compiled.ts"
import type { Detailed } from "../../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../../extraction/ExtractionError.ts"
import type { Llm } from "../../../../llm/Llm.ts"
import { CurrentFlow } from "../../../../llm/Priority.ts"
import type { BatchError } from "../../../BatchError.ts"
import { toLimit } from "../../options.ts"
import { type Context, settle } from "./context.ts"
import type { Row } from "./rows.ts"

/** Starts the fibers that take rows. */
export const start = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  fork: (effect: Effect.Effect<void, BatchError, R>) => Effect.Effect<void, never, R>
): Effect.fn.Return<void, never, R> {
  const { llm, options } = context
  if (llm === undefined) return
  const flow = (yield* CurrentFlow) ?? {}
  const one = Effect.flatMap(Queue.take(context.online), (row) =>
    // An answer that has arrived is recorded, even if the run is interrupted.
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(Effect.result(ask(context, llm, row))), (result) => settle(context, row, result))
    ))
  const worker = Effect.provideService(Effect.forever(one), CurrentFlow, flow)
  const limit = toLimit(options.concurrency)
  for (let i = 0; i < Math.min(limit, mostWorkers); i++) yield* fork(worker)
})

/** For `unbounded`. */
const mostWorkers = 1000

const ask = <A, Input, In, R>(
  { compiled, extract, toRequest }: Context<A, Input, In, R>,
  llm: Llm["Service"],
  { carried, item, reask }: Row<In>
): Effect.Effect<Detailed<A>, ExtractionError, R> => {
  const first = toRequest(item)
  return Result.isFailure(first)
    ? Effect.fail(first.failure)
    : extract(item, llm, first.success, {
      ...carried,
      request: reask ?? Compiled.requestOf(compiled, first.success, carried)
    })
}
