/** The elements of a streamed list: requests are sent as needed, and elements leave as soon as they close. */
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
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import type { Llm } from "../../llm/Llm.ts"
import { IncompleteResponseError, isLlmError, LlmError } from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Usage from "../../llm/Usage.ts"
import { bypass, CurrentCacheControl } from "../../middleware/cache/CacheControl.ts"
import type { ResponseSchema } from "../../schema/ResponseSchema.ts"
import type { Compiled } from "../Compiled.ts"
import { Disconnected, ExtractionError, LimitExceeded, type Reason, TimedOut } from "../ExtractionError.ts"
import type { Element, ElementsOptions } from "../ExtractionStream.ts"
import { toReason } from "./failure.ts"
import * as IdleTimeout from "./idleTimeout.ts"
import * as ListAssembly from "./listAssembly.ts"
import * as StreamOptions from "./streamOptions.ts"
import * as Telemetry from "./telemetry.ts"

type ElementsPull<A, R> = Pull.Pull<Arr.NonEmptyReadonlyArray<Element<A>>, ExtractionError, void, R>
type PartsPull = Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, LlmError>

/** A request under way, with its answer. */
interface Attempt {
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

export const run = <A, Input, R>(
  args: Arguments<A, Input, R>
): Stream.Stream<Element<A>, ExtractionError, R> =>
  Stream.unwrap(Effect.map(Effect.scope, (scope) => Stream.fromPull(make(args, scope))))

const make = Effect.fnUntraced(function*<A, Input, R>(
  { element, list: compiled, llm, options, request: first }: Arguments<A, Input, R>,
  scope: Scope.Scope
): Effect.fn.Return<ElementsPull<A, R>> {
  const { extraction: { cache, maxAttempts, name, timeout }, response } = compiled
  const limits = StreamOptions.limitsOf(options)
  const list = ListAssembly.make({
    compiled,
    element,
    first,
    maxAttempts: options.reask === true ? maxAttempts : 1
  })
  const spent: Telemetry.Spent = { attempts: 0, usage: Usage.zero }
  let outcome: string | undefined
  let attempt: Attempt | undefined
  let end: ElementsPull<A, R> | undefined

  const failure = (reason: Reason): ExtractionError => new ExtractionError({ extraction: name, reason, ...spent })

  const span = yield* Telemetry.streamed(name, spent, () => outcome).pipe(Scope.provide(scope))
  const idle = yield* IdleTimeout.make<Reason>({
    ...StreamOptions.idleOf(options, () => attempt?.reading.text ?? ""),
    timeout: timeout === undefined ? Infinity : Duration.toMillis(timeout),
    onTimeout: () => new TimedOut({ after: timeout! })
  }).pipe(Scope.provide(scope))

  const begin = (request: LlmRequest, asked: ReadonlyArray<ListAssembly.Invalid>): Effect.Effect<void> =>
    Effect.map(
      send(llm, request, { cache, scope, span, attempt: spent.attempts + 1 }),
      (sent) => {
        attempt = { ...sent, reading: ListAssembly.makeReading(response.wrapper!, limits, asked) }
      }
    )

  const fail = (reason: Reason): void => {
    ListAssembly.giveUp(list, attempt?.reading)
    outcome = reason._tag
    end = Effect.fail(failure(reason))
  }

  const complete = ({ finishReason, model }: Completion): void => {
    ListAssembly.giveUp(list)
    end = Effect.suspend(() => {
      outcome = "Success"
      const summary = { ...spent, model, finishReason, elements: list.size }
      return Effect.andThen(options.onEnd?.(summary) ?? Effect.void, Cause.done())
    })
  }

  const conclude = Effect.fnUntraced(function*(
    { onCompletion, reading, scope }: Attempt,
    completion: Completion
  ) {
    onCompletion(completion)
    spent.attempts++
    spent.usage = Usage.add(spent.usage, completion.usage)
    yield* Scope.close(scope, Exit.void)
    attempt = undefined
    const conclusion = ListAssembly.conclude(list, reading, completion, spent.attempts)
    switch (conclusion._tag) {
      case "Complete":
        return complete(completion)
      case "Failed":
        return fail(conclusion.reason)
      case "Reask":
        yield* begin(conclusion.request, conclusion.asked)
    }
  })

  const settle = Effect.fnUntraced(function*(current: Attempt) {
    const { reading } = current
    yield* ListAssembly.settle(list, reading)
    const limit = reading.reader.exceeded
    if (limit !== undefined) return fail(new LimitExceeded({ limit, maximum: limits[limit] }))
    if (reading.completion !== undefined) yield* conclude(current, reading.completion)
  })

  /** Waits until there is an element, or the end of the answer. */
  const advance = (current: Attempt): Effect.Effect<void, LlmError | Reason | Cause.Done, R> => {
    const { pull, reading } = current
    const onParts = (parts: ReadonlyArray<CompletionPart>): ReturnType<typeof advance> => {
      idle.stop()
      ListAssembly.read(list, reading, parts)
      return ListAssembly.isDue(reading) ? settle(current) : waiting
    }
    const waiting = Effect.suspend(() => {
      // Before its first word a model may think for as long as the provider lets it.
      if (reading.text !== "") idle.start()
      return Effect.flatMap(pull, onParts)
    })
    return waiting
  }

  const disconnected = (error: LlmError | Reason): void => {
    const text = attempt?.reading.text ?? ""
    fail(isLlmError(error) && text !== "" ? new Disconnected({ text, error }) : toReason(error))
  }

  const next: ElementsPull<A, R> = Effect.suspend(() => {
    const { out } = list
    if (Arr.isArrayNonEmpty(out)) {
      list.out = []
      return Effect.succeed(Arr.map(out, ({ index, result, text }) => ({
        index,
        text,
        result: Result.mapError(result, failure)
      })))
    }
    if (end !== undefined) return end
    return Pull.matchEffect(idle.over(advance(attempt!)), {
      onSuccess: () => next,
      onFailure: (cause): ElementsPull<A, R> => {
        const error = Cause.findError(cause)
        if (Result.isFailure(error)) return Effect.failCause(error.failure)
        disconnected(error.success)
        return next
      },
      onDone: () => {
        disconnected(unfinished(llm))
        return next
      }
    })
  })

  yield* begin(first, [])
  return next
})

/** Sends a request, in a span of its own where there is a parent span. */
const send = Effect.fnUntraced(function*(
  llm: Llm["Service"],
  request: LlmRequest,
  options: {
    readonly cache: boolean
    readonly scope: Scope.Scope
    readonly span: Tracer.Span | undefined
    readonly attempt: number
  }
): Effect.fn.Return<Omit<Attempt, "reading">> {
  const { attempt, cache, span } = options
  const scope = yield* Scope.fork(options.scope)
  const traced = span === undefined
    ? undefined
    : yield* Scope.provide(Telemetry.streamedAttempt(llm, request, attempt, span), scope)
  const parts = llm.stream(request)
  const pull = yield* Scope.provide(
    Stream.toPull(cache ? parts : Stream.provideService(parts, CurrentCacheControl, bypass)),
    scope
  )
  return {
    scope,
    pull: traced === undefined ? pull : Effect.withParentSpan(pull, traced.span),
    onCompletion: traced?.onCompletion ?? (() => {})
  }
})

/** The error of a stream that ended without its last part. */
export const unfinished = ({ provider }: Llm["Service"]): LlmError =>
  new LlmError({
    provider,
    reason: new IncompleteResponseError({ description: "the stream ended without its last part" })
  })
