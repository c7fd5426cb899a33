/** Streams the elements of a list: sends requests as needed, and emits each element as soon as it closes. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { Limits } from "../../answer/ListReader.ts"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import type { Llm } from "../../llm/Llm.ts"
import { IncompleteResponseError, isLlmError, LlmError } from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import { CurrentPriority } from "../../llm/Priority.ts"
import * as Usage from "../../llm/Usage.ts"
import { bypass, CurrentCacheControl } from "../../middleware/cache/CacheControl.ts"
import type { ResponseSchema } from "../../schema/ResponseSchema.ts"
import type { Compiled } from "../Compiled.ts"
import { Disconnected, ExtractionError, LimitExceeded, type Reason, TimedOut } from "../ExtractionError.ts"
import type { Element, ElementsOptions } from "../ExtractionStream.ts"
import { toReason } from "./failure.ts"
import * as IdleTimeout from "./idleTimeout.ts"
import * as ListAssembly from "./listAssembly.ts"
import * as PromptSize from "./promptSize.ts"
import * as StreamOptions from "./streamOptions.ts"
import * as Telemetry from "./telemetry.ts"

type ElementsPull<A, R> = Pull.Pull<Arr.NonEmptyReadonlyArray<Element<A>>, ExtractionError, void, R>
type PartsPull = Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, LlmError>

/** A request in flight, with its answer so far. */
interface Attempt {
  readonly request: LlmRequest
  readonly scope: Scope.Closeable
  readonly pull: PartsPull
  readonly onCompletion: (completion: Completion) => void
  readonly reading: ListAssembly.Reading
}

interface Arguments<A, Input, R> {
  readonly list: Compiled<ReadonlyArray<A>, Input, R>
  readonly element: ResponseSchema<A, R>
  readonly llm: Llm["Service"]
  readonly request: LlmRequest
  readonly options: ElementsOptions
}

/** What changes while a list is streamed. */
interface State<A, R> {
  readonly spent: Telemetry.Spent
  attempt: Attempt | undefined
  /** Waits for an element or the end of the current answer. */
  advance: Effect.Effect<void, LlmError | Reason | Cause.Done, R>
  /** The outcome for telemetry. */
  outcome: string | undefined
  /** The end of the stream, once there is nothing more to read. */
  end: ElementsPull<A, R> | undefined
}

/** The parts of one streamed list. */
interface Streaming<A, Input, R> {
  readonly compiled: Compiled<ReadonlyArray<A>, Input, R>
  readonly llm: Llm["Service"]
  readonly options: ElementsOptions
  readonly scope: Scope.Scope
  readonly limits: Limits
  readonly list: ListAssembly.ListAssembly<A, Input, R>
  readonly span: Tracer.Span | undefined
  readonly idle: IdleTimeout.IdleTimeout<Reason>
  readonly state: State<A, R>
}

export const run = <A, Input, R>(
  args: Arguments<A, Input, R>
): Stream.Stream<Element<A>, ExtractionError, R> =>
  Stream.unwrap(Effect.map(Effect.scope, (scope) => Stream.fromPull(make(args, scope))))

const make = Effect.fnUntraced(function*<A, Input, R>(
  { element, list: compiled, llm, options, request: first }: Arguments<A, Input, R>,
  scope: Scope.Scope
): Effect.fn.Return<ElementsPull<A, R>> {
  const { maxAttempts, name, timeout } = compiled.extraction
  const spent: Telemetry.Spent = { attempts: 0, usage: Usage.zero }
  const state: State<A, R> = { spent, attempt: undefined, advance: Effect.never, outcome: undefined, end: undefined }
  const streaming: Streaming<A, Input, R> = {
    compiled,
    llm,
    options,
    scope,
    limits: StreamOptions.limitsOf(options),
    list: ListAssembly.make({ compiled, element, first, maxAttempts: options.reask === true ? maxAttempts : 1 }),
    span: yield* Scope.provide(Telemetry.streamed(name, spent, () => state.outcome), scope),
    idle: yield* IdleTimeout.make<Reason>({
      ...StreamOptions.idleOf(options, () => state.attempt?.reading.text ?? ""),
      timeout: timeout === undefined ? Infinity : Duration.toMillis(timeout),
      onTimeout: () => new TimedOut({ after: timeout! })
    }).pipe(Scope.provide(scope)),
    state
  }
  yield* begin(streaming, first, { asked: [] })
  return next(streaming)
})

const next = <A, Input, R>(streaming: Streaming<A, Input, R>): ElementsPull<A, R> => {
  const { idle, list, llm, state } = streaming
  const pull: ElementsPull<A, R> = Effect.suspend(() => {
    const { out } = list
    if (Arr.isArrayNonEmpty(out)) {
      list.out = []
      return Effect.succeed(Arr.map(out, toElement))
    }
    return state.end ?? Pull.matchEffect(idle.over(state.advance), advanced)
  })
  const toElement = ({ index, result, text }: ListAssembly.Decoded<A>): Element<A> => ({
    index,
    text,
    result: Result.isSuccess(result)
      ? Result.succeed(result.success)
      : Result.fail(failure(streaming, result.failure))
  })
  const advanced = {
    onSuccess: () => pull,
    onFailure: (cause: Cause.Cause<LlmError | Reason>): ElementsPull<A, R> => {
      const error = Cause.findError(cause)
      if (Result.isFailure(error)) return Effect.failCause(error.failure)
      breakOff(streaming, error.success)
      return pull
    },
    onDone: () => {
      breakOff(streaming, unfinished(llm))
      return pull
    }
  }
  return pull
}

const makeAdvance = <A, Input, R>(
  streaming: Streaming<A, Input, R>,
  attempt: Attempt
): State<A, R>["advance"] => {
  const { idle, list } = streaming
  const { pull, reading } = attempt
  const onParts = (parts: ReadonlyArray<CompletionPart>): State<A, R>["advance"] => {
    idle.stop()
    ListAssembly.read(list, reading, parts)
    return ListAssembly.isDue(reading) ? settle(streaming, attempt) : waiting
  }
  const waiting = Effect.suspend(() => {
    // Before the answer begins, the model may think for as long as the provider allows.
    if (reading.text !== "") idle.start()
    return Effect.flatMap(pull, onParts)
  })
  return waiting
}

const settle = Effect.fnUntraced(function*<A, Input, R>(
  streaming: Streaming<A, Input, R>,
  attempt: Attempt
): Effect.fn.Return<void, never, R> {
  const { limits, list } = streaming
  const { reading } = attempt
  yield* ListAssembly.settle(list, reading)
  const limit = reading.reader.exceeded
  if (limit !== undefined) return fail(streaming, new LimitExceeded({ limit, maximum: limits[limit] }))
  if (reading.completion !== undefined) yield* conclude(streaming, attempt, reading.completion)
})

/** Ends an answer: the list is complete, has failed, or needs another answer. */
const conclude = Effect.fnUntraced(function*<A, Input, R>(
  streaming: Streaming<A, Input, R>,
  { onCompletion, reading, request, scope }: Attempt,
  completion: Completion
) {
  const { list, state } = streaming
  const { spent } = state
  onCompletion(completion)
  spent.attempts++
  spent.usage = Usage.add(spent.usage, completion.usage)
  yield* Scope.close(scope, Exit.void)
  state.attempt = undefined
  const cut = PromptSize.cut(request, completion)
  if (cut !== undefined) return fail(streaming, cut)
  const conclusion = ListAssembly.conclude(list, reading, completion, spent.attempts)
  switch (conclusion._tag) {
    case "Complete":
      return complete(streaming, completion)
    case "Failed":
      return fail(streaming, conclusion.reason)
    case "Reask":
      yield* begin(streaming, conclusion.request, conclusion)
  }
})

const complete = <A, Input, R>(
  { list, options, state }: Streaming<A, Input, R>,
  { finishReason, model }: Completion
): void => {
  ListAssembly.giveUp(list)
  state.end = Effect.suspend(() => {
    state.outcome = "Success"
    const summary = { ...state.spent, model, finishReason, elements: list.size }
    return Effect.andThen(options.onEnd?.(summary) ?? Effect.void, Cause.done())
  })
}

const fail = <A, Input, R>(streaming: Streaming<A, Input, R>, reason: Reason): void => {
  const { list, state } = streaming
  ListAssembly.giveUp(list, state.attempt?.reading)
  state.outcome = reason._tag
  state.end = Effect.fail(failure(streaming, reason))
}

const breakOff = <A, Input, R>(streaming: Streaming<A, Input, R>, error: LlmError | Reason): void => {
  const text = streaming.state.attempt?.reading.text ?? ""
  fail(streaming, isLlmError(error) && text !== "" ? new Disconnected({ text, error }) : toReason(error))
}

const failure = <A, Input, R>(
  { compiled: { extraction }, state: { spent } }: Streaming<A, Input, R>,
  reason: Reason
): ExtractionError => new ExtractionError({ extraction: extraction.name, reason, ...spent })

/** Sends a request, in its own span if the list has one. */
const begin = Effect.fnUntraced(function*<A, Input, R>(
  streaming: Streaming<A, Input, R>,
  request: LlmRequest,
  answered: { readonly asked: ReadonlyArray<ListAssembly.Invalid>; readonly rest?: ListAssembly.Rest | undefined }
) {
  const { compiled: { extraction, response }, limits, llm, span, state } = streaming
  const scope = yield* Scope.fork(streaming.scope)
  const number = state.spent.attempts + 1
  const traced = span === undefined
    ? undefined
    : yield* Scope.provide(Telemetry.streamedAttempt(llm, request, number, span), scope)
  let parts = llm.stream(request)
  if (!extraction.cache) parts = Stream.provideService(parts, CurrentCacheControl, bypass)
  // A reask goes before new requests, so that started lists finish first.
  if (number > 1) parts = Stream.provideService(parts, CurrentPriority, "high")
  const pull = yield* Scope.provide(Stream.toPull(parts), scope)
  const attempt: Attempt = {
    request,
    scope,
    pull: traced === undefined ? pull : Effect.withParentSpan(pull, traced.span),
    onCompletion: traced?.onCompletion ?? (() => {}),
    reading: ListAssembly.makeReading(response.wrapper!, limits, answered)
  }
  state.attempt = attempt
  state.advance = makeAdvance(streaming, attempt)
})

/** The error of a stream that ends without a `Finish` part. */
export const unfinished = ({ provider }: Llm["Service"]): LlmError =>
  new LlmError({
    provider,
    reason: new IncompleteResponseError({ description: "the stream ended without a Finish part" })
  })
