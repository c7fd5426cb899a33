/** One run of a batch: claims inputs, lets an engine handle them, and stops when it must. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Detailed, Extraction } from "../../extraction/Extraction.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import { CurrentFlow } from "../../llm/Priority.ts"
import { CurrentRequestObserver } from "../../llm/RequestObserver.ts"
import { BatchError, TimedOut } from "../BatchError.ts"
import type { Journal } from "../Journal.ts"
import { claim } from "./claims.ts"
import { type FailurePolicy, journalFailure, makeFailurePolicy, unrecoverable } from "./errors.ts"
import { type Feed, fromProgress } from "./feed.ts"
import { plan, type Planned } from "./item.ts"
import { graceOf, type Options, timeoutOf, toLimit } from "./options.ts"
import * as Pool from "./pool.ts"
import { arrayChunkSize, chunkSize, refuseText, toStream } from "./source.ts"

/** The context that all items of a run share. */
export interface Run<A, Input, In, R> {
  readonly compiled: Compiled.Compiled<A, Input, R>
  readonly llm: Llm["Service"]
  readonly options: Options<In>
  readonly journal: Journal["Service"] | undefined
  readonly feed: Feed | undefined
  readonly clock: Clock.Clock
  readonly failurePolicy: FailurePolicy
  readonly toRequest: (item: Planned<In>) => Result.Result<LlmRequest, ExtractionError>
  readonly extract: (item: Planned<In>) => Effect.Effect<Detailed<A>, ExtractionError, R>
  /** Reports retries and waits of an item to the feed, and when it is interrupted. */
  readonly observed: <B, E, R2>(item: Planned<In>, effect: Effect.Effect<B, E, R2>) => Effect.Effect<B, E, R2>
}

/** Makes the handler of items. */
export type Engine<Out, A, Input, In, R> = (run: Run<A, Input, In, R>) => Handle<Out, In, R>

export type Handle<Out, In, R> = (
  item: Planned<In>,
  control: Pool.Control<Out, BatchError>,
  turn: number
) => Effect.Effect<Out | undefined, BatchError, R>

export const run = <Out, A, Input, In extends Input, R, E = never, R2 = never>(
  self: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: Options<In>,
  journal: Journal["Service"] | undefined,
  engine: Engine<Out, A, Input, In, R>,
  indexOf?: (input: In) => number
): Stream.Stream<Out, E | BatchError, Llm | R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const refused = refuseText(self.name, source)
    if (refused !== undefined) return yield* unrecoverable(refused)
    const run = yield* makeRun(self, options, journal)
    const handle = engine(run)
    const flow = (yield* CurrentFlow) ?? {}
    if (journal !== undefined) yield* Effect.mapError(journal.begin, journalFailure)
    const planned = plan(
      toStream(source, journal === undefined ? arrayChunkSize : journal.claimSize ?? chunkSize),
      self.name,
      options,
      indexOf
    )
    const after = timeoutOf(options)
    const grace = graceOf(options)
    const results = Pool.run(journal === undefined ? planned : claim(planned, run, journal), {
      concurrency: toLimit(options.concurrency),
      ordered: options.ordered ?? false,
      handle,
      timeout: after === undefined
        ? undefined
        : { after, reason: new BatchError({ reason: new TimedOut({ after }) }), grace },
      abandonedGrace: journal === undefined ? undefined : grace
    })
    return Stream.provideService(results, CurrentFlow, flow)
  }))

const makeRun = Effect.fnUntraced(function*<A, Input, In extends Input, R>(
  self: Extraction<A, Input, R>,
  options: Options<In>,
  journal: Journal["Service"] | undefined
): Effect.fn.Return<Run<A, Input, In, R>, BatchError, Llm> {
  const llm = yield* Llm
  const clock = yield* Clock.Clock
  const outer = yield* CurrentRequestObserver
  const compiled = yield* Effect.mapError(Effect.fromResult(Compiled.make(self, llm.dialect)), unrecoverable)
  const feed = yield* fromProgress(options.progress)
  const toRequest = ({ error, input }: Planned<In>): Result.Result<LlmRequest, ExtractionError> =>
    error === undefined ? Compiled.toRequest(compiled, input, llm.model) : Result.fail(error)
  return {
    compiled,
    llm,
    options,
    journal,
    feed,
    clock,
    failurePolicy: makeFailurePolicy(options),
    toRequest,
    extract: (item) => {
      const request = toRequest(item)
      return Result.isFailure(request)
        ? Effect.fail(request.failure)
        : Compiled.run(compiled, llm, request.success, item.input)
    },
    observed: (item, effect) => feed === undefined ? effect : observe(item, effect, feed, clock, outer)
  }
})

const observe = <In, B, E, R>(
  { id, index }: Planned<In>,
  effect: Effect.Effect<B, E, R>,
  feed: Feed,
  clock: Clock.Clock,
  outer: typeof CurrentRequestObserver.Service
): Effect.Effect<B, E, R> =>
  Effect.provideService(effect, CurrentRequestObserver, {
    onRetry: (error, delay) => {
      feed.retried(index, id, error, delay, clock.currentTimeMillisUnsafe())
      outer.onRetry(error, delay)
    },
    onWait: (reason, wait) => {
      feed.waiting(index, reason, wait, clock.currentTimeMillisUnsafe())
      outer.onWait(reason, wait)
    },
    onSend: () => {
      feed.sent(index)
      outer.onSend()
    }
  }).pipe(Effect.onInterrupt(() => Effect.sync(() => feed.left(index))))
