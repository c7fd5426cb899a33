/**
 * The offline engine: inputs become lines, lines become batches, and the results of batches become items. It needs the
 * memory of the inputs that are in batches, and writes everything else to files.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Ctx from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Compiled from "../../../../extraction/Compiled.ts"
import type { Extraction } from "../../../../extraction/Extraction.ts"
import { Llm } from "../../../../llm/Llm.ts"
import { LlmBatch } from "../../../../llm/LlmBatch.ts"
import * as TokenCount from "../../../../llm/TokenCount.ts"
import { BatchError, TimedOut } from "../../../BatchError.ts"
import { Journal, layerMemory } from "../../../Journal.ts"
import { claim } from "../../claims.ts"
import { journalFailure, makeFailurePolicy, unrecoverable } from "../../errors.ts"
import { fromProgress } from "../../feed.ts"
import { type Item, notSent, plan, type Planned } from "../../item.ts"
import { restored } from "../../journaled.ts"
import { timeoutOf, toLimit } from "../../options.ts"
import { arrayChunkSize, refuseText, toStream } from "../../source.ts"
import * as Allowance from "./allowance.ts"
import * as Collect from "./collect.ts"
import { type Context, leave, type State } from "./context.ts"
import * as Online from "./online.ts"
import { enqueuedTokensOf, finishOf, notDerived, type OfflineOptions, sizeOf } from "./options.ts"
import * as Ordering from "./ordering.ts"
import * as Parts from "./parts.ts"
import * as Recovery from "./recovery.ts"
import { type Batch, fresh, type Row } from "./rows.ts"
import * as Spool from "./spool.ts"

/** Results that wait for a slow consumer. */
const bufferSize = 64

export const run = <A, Input, In extends Input, R, E = never, R2 = never>(
  self: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: OfflineOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const refused = refuseText(self.name, source)
    if (refused !== undefined) return yield* unrecoverable(refused)
    const results = yield* Queue.bounded<Item<A, In>, E | BatchError | Cause.Done>(bufferSize)
    const ordering = Ordering.make<Item<A, In>>(
      options.ordered ?? false,
      (item) => Effect.asVoid(Queue.offer(results, item))
    )
    const { context, isDurable } = yield* makeContext<A, Input, In, R>(self, options, ordering)
    yield* Effect.mapError(context.journal.begin, journalFailure)
    const inputs = plan(toStream(source, arrayChunkSize), self.name, options)
    const claimed = claim(inputs, { ...context, llm: context.service }, context.journal)
    yield* Effect.forkScoped(Effect.catchCause(
      Effect.andThen(work(context, claimed, isDurable, ordering), Queue.end(results)),
      (cause) => Queue.failCause(results, cause)
    ))
    return Stream.fromQueue(results)
  }))

const makeContext = Effect.fnUntraced(function*<A, Input, In extends Input, R>(
  self: Extraction<A, Input, R>,
  options: OfflineOptions<In>,
  { emit }: Ordering.Ordering<Item<A, In>>
) {
  const service = yield* LlmBatch
  const clock = yield* Clock.Clock
  const llm = Option.getOrUndefined(yield* Effect.serviceOption(Llm))
  const found = yield* Effect.serviceOption(Journal)
  const journal = Option.isSome(found) ? found.value : yield* memoryJournal
  const compiled = yield* Effect.mapError(Effect.fromResult(Compiled.make(self, service.dialect)), unrecoverable)
  const finish = finishOf(options)
  if (Compiled.isDerived(compiled)) return yield* unrecoverable(notSent(self.name, notDerived))
  if (llm === undefined && (finish === "online" || options.deadline !== undefined)) {
    return yield* unrecoverable(
      notSent(self.name, "To finish online, an offline batch needs an `Llm`. Provide one, or set `finish` to \"batch\"")
    )
  }
  const state: State = {
    stopped: undefined,
    ended: Latch.makeUnsafe(false),
    open: 0,
    reading: 0,
    isLate: false,
    sourceEnded: false
  }
  const context: Context<A, Input, In, R> = {
    compiled,
    service,
    llm,
    journal,
    options,
    finish,
    clock,
    feed: yield* fromProgress(options.progress),
    failurePolicy: makeFailurePolicy(options),
    toRequest: ({ error, input }) =>
      error === undefined ? Compiled.toRequest(compiled, input, service.model) : Result.fail(error),
    sourceOf: ({ input }) => Compiled.sourceOf(self, input),
    extract: ({ input }, llm, request, before) => Compiled.run(compiled, llm, request, input, before),
    allowance: Allowance.make(enqueuedTokensOf(options, service.limits)),
    emit,
    stop: (error) => {
      state.stopped ??= Cause.fail(error)
      state.ended.openUnsafe()
    },
    state,
    others: new Set(),
    deadlineMillis: options.deadline === undefined
      ? Infinity
      : clock.currentTimeMillisUnsafe() + Duration.toMillis(Duration.fromInputUnsafe(options.deadline)),
    sourceEnded: Latch.makeUnsafe(false),
    late: Latch.makeUnsafe(false),
    online: yield* Queue.bounded<Row<In>>(bufferSize)
  }
  return { context, isDurable: Option.isSome(found) }
})

const memoryJournal: Effect.Effect<Journal["Service"], never, Scope.Scope> = Effect.map(
  Layer.build(Layer.fresh(layerMemory)),
  Ctx.get(Journal)
)

/** Runs until every item has an outcome, or until the run has to stop. */
const work = Effect.fnUntraced(function*<A, Input, In, R, E, R2>(
  context: Context<A, Input, In, R>,
  claimed: Stream.Stream<Planned<In>, E | BatchError, R2>,
  isDurable: boolean,
  ordering: Ordering.Ordering<Item<A, In>>
): Effect.fn.Return<void, E | BatchError, Scope.Scope | R | R2> {
  const { options, state } = context
  const scope = yield* Effect.scope
  const running = new Set<Batch<In>>()
  const fork = (effect: Effect.Effect<void, BatchError, R>): Effect.Effect<void, never, R> =>
    Effect.asVoid(Effect.forkIn(
      Effect.catchCause(effect, (cause) =>
        Effect.sync(() => {
          if (Cause.hasInterruptsOnly(cause)) return
          state.stopped ??= cause
          state.ended.openUnsafe()
        })),
      scope
    ))
  const toOnline = (row: Row<In>): Effect.Effect<void> => Effect.asVoid(Queue.offer(context.online, row))
  const services = yield* Effect.context<R>()
  const watch = (batch: Batch<In>): Effect.Effect<void> => {
    running.add(batch)
    const places: Collect.Places<In> = { toNextBatch: parts.add, toOnline, flush: parts.flush }
    return Effect.provideContext(
      fork(Effect.ensuring(Collect.watch(context, places, batch), Effect.sync(() => running.delete(batch)))),
      services
    )
  }
  const parts: Parts.Parts<In> = Parts.make(context, {
    size: sizeOf(options, context.service.limits),
    openSpool: yield* Spool.make,
    countText: yield* TokenCount.fromContext,
    watch,
    toOnline
  })

  yield* Online.start(context, fork)
  yield* Effect.addFinalizer(() => isDurable ? Effect.void : cancelAll(context, running))
  const recovered = yield* Recovery.recover(context)
  for (const batch of recovered.batches) {
    context.allowance.hold(batch.tokens)
    yield* watch(batch)
  }
  yield* Effect.forkScoped(limitTime(context, parts))
  const fed = Effect.gen(function*() {
    yield* Stream.runForEachArray(
      claimed,
      (items) => Effect.forEach(items, (item) => take(context, recovered, parts, ordering, item), { discard: true })
    )
    state.sourceEnded = true
    yield* parts.flush
    context.sourceEnded.openUnsafe()
    if (state.open === 0) state.ended.openUnsafe()
    yield* state.ended.await
  })
  yield* Effect.raceFirst(fed, state.ended.await)
  // What has arrived is paid for, and is recorded before the run stops.
  while (state.reading > 0) yield* Effect.sleep("100 millis")
  if (state.stopped !== undefined) return yield* Effect.failCause(state.stopped)
})

/** Gives an item of the source its place. */
const take = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  recovered: Recovery.Recovered<In>,
  parts: Parts.Parts<In>,
  ordering: Ordering.Ordering<Item<A, In>>,
  item: Planned<In>
): Effect.fn.Return<void, BatchError, R> {
  const { clock, feed, journal, state } = context
  ordering.expect(item.index)
  state.open++
  const claim = item.claim!
  if (claim.status !== "new") {
    const found = yield* restored(context, journal, item, claim)
    if (found !== undefined) return yield* leave(context, item, found)
  }
  feed?.started(item.index, item.id)
  if (recovered.attach(item, claim.key)) return
  const row = {
    item,
    carried: fresh,
    reask: undefined,
    origin: undefined,
    startMillis: clock.currentTimeMillisUnsafe()
  }
  yield* parts.add(row)
})

/** Without a journal no later run can collect these batches, so they are cancelled. */
const cancelAll = <A, Input, In, R>(
  { service }: Context<A, Input, In, R>,
  running: ReadonlySet<Batch<In>>
): Effect.Effect<void> =>
  Effect.forEach(running, ({ reference }) => Effect.ignore(service.cancel(reference)), {
    concurrency: 4,
    discard: true
  }).pipe(Effect.timeoutOption("10 seconds"), Effect.asVoid)

/** Stops the run at its timeout, and turns to finishing online when the rest would be late. */
const limitTime = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  parts: Parts.Parts<In>
): Effect.fn.Return<void> {
  const after = timeoutOf(context.options)
  const timeout = after === undefined
    ? Effect.never
    : Effect.map(Effect.sleep(after), () => context.stop(new BatchError({ reason: new TimedOut({ after }) })))
  const deadline = context.deadlineMillis === Infinity ? Effect.never : turnOnline(context, parts)
  yield* Effect.all([timeout, deadline], { concurrency: 2, discard: true })
})

/** The time of a request online, roughly. */
const onlineMillis = 2000

const turnOnline = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  parts: Parts.Parts<In>
): Effect.fn.Return<void> {
  const { clock, deadlineMillis, options, state } = context
  const whole = deadlineMillis - clock.currentTimeMillisUnsafe()
  while (true) {
    const needed = state.open * onlineMillis / Math.min(toLimit(options.concurrency), Math.max(1, state.open))
    const margin = Math.min(whole / 4, Math.max(60_000, needed))
    const left = deadlineMillis - margin - clock.currentTimeMillisUnsafe()
    if (left <= 0) break
    yield* Effect.sleep(Math.min(60_000, left))
  }
  state.isLate = true
  context.late.openUnsafe()
  yield* Effect.matchEager(parts.flush, { onFailure: context.stop, onSuccess: () => {} })
})
