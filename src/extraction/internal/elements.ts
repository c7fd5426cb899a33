/** Elements of a streamed list. Each request is the first one, plus the last answer and what is missing of it. */
import * as AiError from "effect/ai/AiError"
import { isLlmError, LlmError } from "../../llm/LlmError.ts"
import { toReason } from "./failure.ts"
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
import * as ExtractionError from "../ExtractionError.ts"
import type { Element, ElementsOptions, Options } from "../ExtractionStream.ts"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import { bypass, CurrentCacheControl } from "../../middleware/cache/CacheControl.ts"
import type { Llm } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Usage from "../../llm/Usage.ts"
import * as Answer from "../../answer/Answer.ts"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as JsonText from "../../answer/JsonText.ts"
import * as ListReader from "../../answer/ListReader.ts"
import * as Messages from "../../prompt/Messages.ts"
import type * as ResponseSchema from "../../schema/ResponseSchema.ts"
import type { Compiled } from "./compiled.ts"
import * as Telemetry from "./telemetry.ts"
import * as Watch from "./idleTimeout.ts"

export const defaultIdleTimeout: Duration.Duration = Duration.minutes(1)

export const toLimits = (options: Options): ListReader.Limits => ({
  maxLength: options.maxLength ?? 32 * 1024 * 1024,
  maxDepth: options.maxDepth ?? 256
})

type Failure = ExtractionError.ExtractionError
type ElementsPull<A, R> = Pull.Pull<Arr.NonEmptyReadonlyArray<Element<A>>, Failure, void, R>
type PartsPull = Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, LlmError>

/** An element that an answer had, but not so that it decodes. */
interface Missing {
  readonly index: number
  readonly text: string
  readonly issues: ReadonlyArray<AnswerIssue.AnswerIssue>
  /** Where it stood in the last answer. */
  readonly position: number | undefined
}

/** An answer while it is being read. */
interface Attempt {
  readonly scope: Scope.Closeable
  readonly pull: PartsPull
  readonly onCompletion: (completion: Completion) => void
  readonly reader: ListReader.ListReader
  /** The elements that were asked for again, by their index in the list. */
  readonly asked: ReadonlyArray<Missing>
  /** How many of its elements have been read. */
  read: number
  /** The tool call that is read. */
  call: number | undefined
  /** What arrived. */
  text: string
  /** The elements that closed and are still to be decoded. */
  texts: Array<string>
  completion: Completion | undefined
  problem: string | undefined
}

export const run = <A, Input, R>(
  list: Compiled<ReadonlyArray<A>, Input, R>,
  element: ResponseSchema.ResponseSchema<A, R>,
  llm: Llm["Service"],
  first: LlmRequest,
  options: ElementsOptions
): Stream.Stream<Element<A>, Failure, R> =>
  Stream.unwrap(Effect.map(Effect.scope, (scope) => Stream.fromPull(make(list, element, llm, first, options, scope))))

const make = Effect.fnUntraced(function*<A, Input, R>(
  list: Compiled<ReadonlyArray<A>, Input, R>,
  element: ResponseSchema.ResponseSchema<A, R>,
  llm: Llm["Service"],
  first: LlmRequest,
  options: ElementsOptions,
  scope: Scope.Scope
): Effect.fn.Return<ElementsPull<A, R>> {
  const { extraction, output, response } = list
  const limits = toLimits(options)
  const idle = Duration.fromInputUnsafe(options.idleTimeout ?? defaultIdleTimeout)
  const { timeout } = extraction
  const maxAttempts = options.reask === true ? extraction.maxAttempts : 1

  const spent: Telemetry.Spent = { attempts: 0, usage: Usage.zero }
  let outcome: string | undefined
  let out: Array<Element<A>> = []
  let missing: Array<Missing> = []
  /** The index of the next element that nobody has seen yet. */
  let size = 0
  /** Whether the list went on where an answer broke off. */
  let open = true
  let attempt: Attempt | undefined
  let end: ElementsPull<A, R> | undefined

  const failure = (reason: ExtractionError.Reason): Failure =>
    new ExtractionError.ExtractionError({ extraction: extraction.name, reason, ...spent })

  const invalid = (text: string, issues: ReadonlyArray<AnswerIssue.AnswerIssue>): Failure =>
    failure(new ExtractionError.InvalidOutput({ attempts: [{ text, issues }] }))

  const fail = (error: Failure): ElementsPull<A, R> => {
    outcome = error.reason._tag
    return Effect.fail(error)
  }

  const span: Tracer.Span | undefined = yield* Telemetry.streamed(extraction.name, spent, () => outcome).pipe(
    Scope.provide(scope)
  )
  const watch = yield* Watch.make({
    idle: Duration.toMillis(idle),
    onIdle: (): ExtractionError.Reason => new ExtractionError.Stalled({ text: attempt?.text ?? "", after: idle }),
    timeout: timeout === undefined ? Infinity : Duration.toMillis(timeout),
    onTimeout: () => new ExtractionError.TimedOut({ after: timeout! })
  }).pipe(Scope.provide(scope))

  const begin = Effect.fnUntraced(function*(request: LlmRequest, asked: ReadonlyArray<Missing>) {
    const inner = yield* Scope.fork(scope)
    const traced = span === undefined
      ? undefined
      : yield* Telemetry.streamedAttempt(llm, request, spent.attempts + 1, span).pipe(Scope.provide(inner))
    const pull = yield* Stream.toPull(
      extraction.cache
        ? llm.stream(request)
        : Stream.provideService(llm.stream(request), CurrentCacheControl, bypass)
    ).pipe(Scope.provide(inner))
    attempt = {
      scope: inner,
      pull: traced === undefined ? pull : Effect.withParentSpan(pull, traced.span),
      onCompletion: traced?.onCompletion ?? (() => {}),
      reader: new ListReader.ListReader(response.wrapper!, limits),
      asked,
      read: 0,
      call: undefined,
      text: "",
      texts: [],
      completion: undefined,
      problem: undefined
    }
    return attempt
  })

  /** The place in the list of the next element of an answer. */
  const place = (current: Attempt): number | undefined => {
    const position = current.read++
    const asked = current.asked[position]
    if (asked !== undefined) return asked.index
    if (open) return size++
    current.problem ??= `The answer has more elements than the ${current.asked.length} that were asked for`
    return undefined
  }

  const invalidElement = ({ index, issues, text }: Pick<Missing, "index" | "issues" | "text">): Failure =>
    invalid(text, issues.map(({ message, path }) => ({ message, path: [index, ...path] })))

  const read = (current: Attempt, delta: string): void => {
    current.text += delta
    current.reader.feed(delta, current.texts)
  }

  /** Reads what came in one go. Most pieces end no element, so this must cost next to nothing. */
  const readAll = (current: Attempt, parts: ReadonlyArray<CompletionPart>): void => {
    for (const part of parts) {
      if (part._tag === "Finish") {
        current.completion = part.completion
        const { text } = Answer.read(part.completion, output)
        // Models that were to call a tool may have written their answer as text, and the other way round.
        if (current.text === "" && part.completion.refusal === undefined) read(current, text)
        return
      }
      if ((part._tag === "TextDelta") === (output.mode === "tools")) continue
      if (part._tag === "ToolArgumentsDelta") {
        current.call ??= part.index
        if (part.index !== current.call) {
          current.problem ??= "The answer calls the tool more than once; the elements are those of the first call"
          continue
        }
      }
      read(current, part.delta)
    }
  }

  /** Decodes the elements that closed, and sees to the end of the answer if it is there. */
  const settle = Effect.fnUntraced(function*(current: Attempt) {
    const { completion, texts } = current
    current.texts = []
    for (const text of texts) {
      const position = current.read
      const index = place(current)
      if (index === undefined) break
      const decoded = yield* decode(element, text)
      if (Result.isSuccess(decoded)) {
        out.push({ index, text, result: Result.succeed(decoded.success) })
      } else if (maxAttempts > 1) {
        missing.push({ index, text, issues: decoded.failure, position })
      } else {
        out.push({ index, text, result: Result.fail(invalidElement({ index, text, issues: decoded.failure })) })
      }
    }
    const limit = current.reader.exceeded
    if (limit !== undefined) {
      return broken(current, new ExtractionError.LimitExceeded({ limit, maximum: limits[limit] }))
    }
    if (completion !== undefined) yield* conclude(current, completion)
  })

  /** Waits until an element or the end of the answer is there. */
  const advance = (current: Attempt): Effect.Effect<void, LlmError | ExtractionError.Reason | Cause.Done, R> => {
    const onParts = (parts: ReadonlyArray<CompletionPart>): ReturnType<typeof advance> => {
      watch.rest()
      readAll(current, parts)
      return current.texts.length === 0 && current.completion === undefined && current.reader.exceeded === undefined
        ? waiting
        : settle(current)
    }
    const waiting = Effect.suspend(() => {
      // Before its first word a model may think for as long as the provider lets it.
      if (current.text !== "") watch.wait()
      return Effect.flatMap(current.pull, onParts)
    })
    return waiting
  }

  /** An answer has ended: is anything missing? */
  const conclude = Effect.fnUntraced(function*(current: Attempt, completion: Completion) {
    current.onCompletion(completion)
    spent.attempts++
    spent.usage = Usage.add(spent.usage, completion.usage)
    const answer = Answer.read(completion, output)
    yield* Scope.close(current.scope, Exit.void)
    attempt = undefined
    const problem = current.problem ?? current.reader.end()
    // What was asked for again and did not come is still missing, but no longer in the last answer.
    const unanswered = current.asked.slice(current.read).map((one) => ({ ...one, position: undefined }))
    missing = [...missing, ...unanswered].toSorted((a, b) => a.index - b.index)
    const hopeless = current.problem !== undefined || current.reader.isContradictory
    if (answer._tag === "Refused") return stop(failure(new ExtractionError.Refused({ refusal: answer.text })))
    if (answer._tag === "Filtered") return stop(failure(new ExtractionError.ContentFiltered({ text: answer.text })))
    if (answer._tag === "Truncated" && problem !== undefined) {
      const { maxTokens } = first.parameters
      return stop(failure(
        new ExtractionError.Truncated({ text: answer.text, ...(maxTokens !== undefined && { maxTokens }) })
      ))
    }
    open = open && problem !== undefined
    if (missing.length === 0 && problem === undefined || hopeless || spent.attempts >= maxAttempts) {
      const error = problem === undefined ? undefined : invalid(answer.text, [{ path: [], message: problem }])
      return stop(error, completion)
    }
    const asked = missing
    missing = []
    yield* begin({
      ...first,
      messages: [
        ...first.messages,
        ...Messages.reask(
          output,
          completion,
          [
            ...asked.flatMap(({ issues, position, text }) =>
              position === undefined
                ? [{ path: [], message: `The corrected form of this element is missing: ${text}` }]
                : issues.map(({ message, path }) => ({ message, path: [position, ...path] }))
            ),
            ...(problem === undefined ? [] : [{ path: [], message: problem }])
          ],
          response.wrapper,
          missingAgain(asked.length, open)
        )
      ]
    }, asked)
  })

  /** Ends the stream. What could not be corrected leaves as the failure it is. */
  const stop = (error: Failure | undefined, completion?: Completion): void => {
    for (const one of missing) out.push({ index: one.index, text: one.text, result: Result.fail(invalidElement(one)) })
    missing = []
    if (error !== undefined) {
      end = fail(error)
      return
    }
    end = Effect.suspend(() => {
      outcome = "Success"
      const { finishReason, model } = completion!
      return Effect.andThen(
        options.onEnd?.({ ...spent, model, finishReason, elements: size }) ?? Effect.void,
        Cause.done()
      )
    })
  }

  const broken = (current: Attempt, error: LlmError | ExtractionError.Reason): void => {
    missing = [...missing, ...current.asked.slice(current.read)].toSorted((a, b) => a.index - b.index)
    const reason = !isLlmError(error)
      ? error
      : current.text === ""
      ? toReason(error)
      : new ExtractionError.Disconnected({ text: current.text, error })
    stop(failure(reason))
  }

  const next: ElementsPull<A, R> = Effect.suspend(() => {
    if (Arr.isArrayNonEmpty(out)) {
      const elements = out
      out = []
      return Effect.succeed(elements)
    }
    if (end !== undefined) return end
    const current = attempt!
    return Pull.matchEffect(watch.over(advance(current)), {
      onSuccess: () => next,
      onFailure: (cause): ElementsPull<A, R> => {
        const error = Cause.findError(cause)
        if (Result.isFailure(error)) return Effect.failCause(error.failure)
        broken(current, error.success)
        return next
      },
      onDone: () => {
        broken(current, unfinished)
        return next
      }
    })
  })

  yield* begin(first, [])
  return next
})

export const unfinished = new LlmError({
  provider: "Llm",
  reason: new AiError.InvalidResponseError({ description: "the stream ended without its last part" })
})

/** JSON, or what it is once mended, if that decodes. */
const decode = <A, R>(
  element: ResponseSchema.ResponseSchema<A, R>,
  text: string
): Effect.Effect<Result.Result<A, ReadonlyArray<AnswerIssue.AnswerIssue>>, never, R> => {
  const [json] = JsonText.candidates(text)
  if (json === undefined) return Effect.succeed(Result.fail([{ path: [], message: "Expected a JSON value" }]))
  return Effect.match(element.decodeElement(json), {
    onSuccess: Result.succeed,
    onFailure: (issue) => Result.fail(AnswerIssue.fromSchemaIssue(issue))
  })
}

const missingAgain = (corrected: number, open: boolean): string => {
  const which = [
    ...(corrected === 0
      ? []
      : [
        corrected === 1
          ? "the one element named, corrected"
          : `the ${corrected} elements named, corrected and in this order`
      ]),
    ...(open ? ["the elements that the list still lacks"] : [])
  ].join(", then ")
  return `Answer again in the same form, with a list of nothing but ${which}.`
}
