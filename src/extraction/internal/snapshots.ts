/** Snapshots of a value while its answer is being written. */
import { isLlmError, LlmError } from "../../llm/LlmError.ts"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Detailed } from "../Extraction.ts"
import * as ExtractionError from "../ExtractionError.ts"
import type { PartialOptions } from "../ExtractionStream.ts"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import type { Llm } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import { GrowingJson } from "../../answer/GrowingJson.ts"
import * as Attempts from "./attempts.ts"
import type { Compiled } from "./compiled.ts"
import * as ListStream from "./elements.ts"
import * as Watch from "./idleTimeout.ts"

export type DeepPartial<E> = E extends string ? string
  : E extends number | boolean | null ? E
  : E extends ReadonlyArray<infer Item> ? number extends E["length"] ? ReadonlyArray<DeepPartial<Item>> : unknown
  : E extends Date | bigint | symbol | Uint8Array | ((...args: ReadonlyArray<never>) => unknown) ? unknown
  : E extends object ? string extends keyof E ? unknown
    : { readonly [K in keyof E]?: DeepPartial<Exclude<E[K], undefined>> | (undefined extends E[K] ? null : never) }
  : unknown

export type Snapshot<A, E> =
  | { readonly _tag: "Partial"; readonly value: DeepPartial<E> }
  | { readonly _tag: "Complete" } & Detailed<A>

type Stopped = LlmError | ExtractionError.Reason

export const run = <A, E, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Llm["Service"],
  request: LlmRequest,
  options: PartialOptions
): Stream.Stream<Snapshot<A, E>, ExtractionError.ExtractionError, R> => {
  const every = options.every === true
  return Stream.callback<Snapshot<A, E>, ExtractionError.ExtractionError, R>((queue) => {
    const show = (value: Schema.Json): Effect.Effect<unknown> =>
      // What a growing value has is a part of the encoded one, in the shape that the model was asked for.
      Queue.offer(queue, { _tag: "Partial", value: (every ? structuredClone(value) : value) as DeepPartial<E> })
    return Attempts.run(compiled, {
      provider: llm.provider,
      complete: (request) => complete(compiled, llm, request, options, show)
    }, request).pipe(
      Effect.flatMap((detailed) => Queue.offer(queue, { _tag: "Complete", ...detailed })),
      Effect.andThen(Queue.end(queue))
    )
  }, every ? { bufferSize: 1, strategy: "suspend" } : { bufferSize: 1, strategy: "sliding" })
}

/** Completes a request by its stream, and shows what there is after every piece. */
const complete = <A, Input, R>(
  { output, response: { wrapper } }: Compiled<A, Input, R>,
  llm: Llm["Service"],
  request: LlmRequest,
  options: PartialOptions,
  show: (value: Schema.Json) => Effect.Effect<unknown>
): Effect.Effect<Completion, Stopped> =>
  Effect.scoped(Effect.gen(function*() {
    const limits = ListStream.toLimits(options)
    const idle = Duration.fromInputUnsafe(options.idleTimeout ?? ListStream.defaultIdleTimeout)
    const growing = new GrowingJson(limits)
    let text = ""
    let call: number | undefined
    let completion: Completion | undefined

    /** Reads a piece, and tells whether the value has grown. */
    const read = (part: CompletionPart): boolean => {
      if (part._tag === "Finish") {
        completion = part.completion
        return false
      }
      if ((part._tag === "TextDelta") === (output.mode === "tools")) return false
      if (part._tag === "ToolArgumentsDelta") {
        call ??= part.index
        if (part.index !== call) return false
      }
      text += part.delta
      growing.feed(part.delta)
      return true
    }

    const showGrown: Effect.Effect<unknown, Stopped> = Effect.suspend(() => {
      const limit = growing.exceeded
      if (limit !== undefined) {
        return Effect.fail(new ExtractionError.LimitExceeded({ limit, maximum: limits[limit] }))
      }
      const value = wrapped(growing.value, wrapper)
      return value === undefined ? Effect.void : show(value)
    })

    const take = (parts: ReadonlyArray<CompletionPart>): Effect.Effect<unknown, Stopped> => {
      if (options.every === true) {
        return Effect.forEach(parts, (part) => read(part) ? showGrown : Effect.void, { discard: true })
      }
      let grown = false
      for (const part of parts) if (read(part)) grown = true
      return grown ? showGrown : Effect.void
    }

    const watch = yield* Watch.make({
      idle: Duration.toMillis(idle),
      onIdle: () => new ExtractionError.Stalled({ text, after: idle }),
      timeout: Infinity,
      onTimeout: () => new ExtractionError.Stalled({ text, after: idle })
    })
    const pull = yield* Stream.toPull(llm.stream(request))
    const next = Effect.suspend(() => {
      if (text !== "") watch.wait()
      return Effect.flatMap(pull, (parts) => {
        watch.rest()
        return take(parts)
      })
    })
    yield* watch.over(Effect.forever(next, { disableYield: true })).pipe(
      Pull.catchDone(() => Effect.void),
      Effect.mapError((error) =>
        isLlmError(error) && text !== "" ? new ExtractionError.Disconnected({ text, error }) : error
      )
    )
    return completion ?? (yield* ListStream.unfinished)
  }))

const wrapped = (value: Schema.Json | undefined, wrapper: string | undefined): Schema.Json | undefined =>
  wrapper === undefined || !Predicate.isObject(value) || Array.isArray(value)
    ? value
    : Object.hasOwn(value, wrapper)
    ? value[wrapper] as Schema.Json
    : undefined
