/** Streams snapshots of a value while the model writes the answer. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { GrowingJson } from "../../answer/GrowingJson.ts"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import type { Llm } from "../../llm/Llm.ts"
import { isLlmError, type LlmError } from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { Compiled } from "../Compiled.ts"
import { Disconnected, type ExtractionError, LimitExceeded, type Reason } from "../ExtractionError.ts"
import type { DeepPartial, PartialOptions, Snapshot } from "../ExtractionStream.ts"
import * as Attempts from "./attempts.ts"
import { unfinished } from "./elements.ts"
import * as IdleTimeout from "./idleTimeout.ts"
import * as StreamOptions from "./streamOptions.ts"

export const run = <A, Encoded, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Llm["Service"],
  request: LlmRequest,
  options: PartialOptions
): Stream.Stream<Snapshot<A, Encoded>, ExtractionError, R> => {
  const every = options.every === true
  return Stream.callback<Snapshot<A, Encoded>, ExtractionError, R>((queue) => {
    const show = (value: Schema.Json): Effect.Effect<unknown> =>
      // A growing value is a part of the encoded value.
      Queue.offer(queue, { _tag: "Partial", value: (every ? structuredClone(value) : value) as DeepPartial<Encoded> })
    return Attempts.run(compiled, {
      provider: llm.provider,
      complete: (request) => complete(compiled, llm, request, options, show)
    }, request).pipe(
      Effect.flatMap((detailed) => Queue.offer(queue, { _tag: "Complete", ...detailed })),
      Effect.andThen(Queue.end(queue))
    )
  }, every ? { bufferSize: 1, strategy: "suspend" } : { bufferSize: 1, strategy: "sliding" })
}

/** An answer while it is being read. */
interface Reading {
  readonly growing: GrowingJson
  /** Whether to read the arguments of a tool call instead of text. */
  readonly readsTool: boolean
  /** Whether it continues or patches another answer. */
  readonly isRest: boolean
  text: string
  call: number | undefined
  completion: Completion | undefined
}

/** Reads a part, and returns whether the value has grown. The rest of an answer and a patch are no values. */
const read = (reading: Reading, part: CompletionPart): boolean => {
  if (part._tag === "Finish") {
    reading.completion = part.completion
    return false
  }
  if (reading.isRest) {
    if (part._tag === "TextDelta") reading.text += part.delta
    return false
  }
  if ((part._tag === "TextDelta") === reading.readsTool) return false
  if (part._tag === "ToolArgumentsDelta") {
    reading.call ??= part.index
    if (part.index !== reading.call) return false
  }
  reading.text += part.delta
  reading.growing.feed(part.delta)
  return true
}

/** Completes a request by its stream, and shows the value after each piece. */
const complete = <A, Input, R>(
  { output, response: { wrapper } }: Compiled<A, Input, R>,
  llm: Llm["Service"],
  request: LlmRequest,
  options: PartialOptions,
  show: (value: Schema.Json) => Effect.Effect<unknown>
): Effect.Effect<Completion, LlmError | Reason> =>
  Effect.scoped(Effect.gen(function*() {
    const limits = StreamOptions.limitsOf(options)
    const reading: Reading = {
      growing: new GrowingJson(limits),
      readsTool: output.mode === "tools",
      isRest: request.output.mode === "text",
      text: "",
      call: undefined,
      completion: undefined
    }

    const showGrown: Effect.Effect<unknown, Reason> = Effect.suspend(() => {
      const limit = reading.growing.exceeded
      if (limit !== undefined) return Effect.fail(new LimitExceeded({ limit, maximum: limits[limit] }))
      const value = unwrap(reading.growing.value, wrapper)
      return value === undefined ? Effect.void : show(value)
    })

    const take = (parts: ReadonlyArray<CompletionPart>): Effect.Effect<unknown, Reason> => {
      if (options.every === true) {
        return Effect.forEach(parts, (part) => read(reading, part) ? showGrown : Effect.void, { discard: true })
      }
      let grown = false
      for (const part of parts) if (read(reading, part)) grown = true
      return grown ? showGrown : Effect.void
    }

    const idleOptions = StreamOptions.idleOf(options, () => reading.text)
    const idle = yield* IdleTimeout.make<Reason>({
      ...idleOptions,
      timeout: Infinity,
      onTimeout: idleOptions.onIdle
    })
    const pull = yield* Stream.toPull(llm.stream(request))
    const next = Effect.suspend(() => {
      if (reading.text !== "") idle.start()
      return Effect.flatMap(pull, (parts) => {
        idle.stop()
        return take(parts)
      })
    })
    yield* idle.over(Effect.forever(next, { disableYield: true })).pipe(
      Pull.catchDone(() => Effect.void),
      Effect.mapError((error) =>
        isLlmError(error) && reading.text !== "" ? new Disconnected({ text: reading.text, error }) : error
      )
    )
    return reading.completion ?? (yield* unfinished(llm))
  }))

const unwrap = (value: Schema.Json | undefined, wrapper: string | undefined): Schema.Json | undefined =>
  wrapper === undefined || !Predicate.isObject(value) || Array.isArray(value)
    ? value
    : Object.hasOwn(value, wrapper)
    ? value[wrapper] as Schema.Json
    : undefined
