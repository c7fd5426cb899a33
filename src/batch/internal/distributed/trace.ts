/** The span of the process that feeds a batch, as the parent of spans in its workers. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { ChunkReference } from "./message.ts"

export const currentTrace: Effect.Effect<ChunkReference["trace"]> = Effect.map(
  Effect.option(Effect.currentParentSpan),
  Option.match({
    onNone: () => undefined,
    onSome: ({ sampled, spanId, traceId }) => ({ sampled, spanId, traceId })
  })
)

export const parentOf = (trace: ChunkReference["trace"]): { readonly parent?: Tracer.AnySpan } =>
  trace === undefined ? {} : { parent: Tracer.externalSpan(trace) }
