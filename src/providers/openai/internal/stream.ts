/** The chunks of a streamed chat completion → `CompletionPart`s. */
import * as Predicate from "effect/Predicate"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import * as Usage from "../../../llm/Usage.ts"
import { contentText, finishReason, usage } from "./completion.ts"
import { readWindows, type ResponseHeaders } from "./rateLimit.ts"
import type { Secrets } from "./secrets.ts"
import type { Piece } from "./template.ts"

/** Collects chunks into a completion. */
export interface Collector {
  /** Adds a chunk, and appends the parts that it contains to `out`. */
  readonly add: (chunk: unknown, out: Array<CompletionPart>) => void
  /** Adds a chunk that differs from the one before it only in its piece of the answer. */
  readonly append: (piece: Piece, out: Array<CompletionPart>) => void
  /** The completion, or `undefined` if the stream ended before it had a finish reason. */
  readonly finish: () => Completion | undefined
  /** The usage, where the stream has reported it. */
  readonly usage: () => Usage.Usage | undefined
}

export const makeCollector = (
  headers: ResponseHeaders,
  requestedModel: string,
  { redact }: Secrets
): Collector => {
  const rateLimits = readWindows(headers)
  const text: Array<string> = []
  const refusal: Array<string> = []
  const calls = new Map<number, { id: string; name: string; readonly args: Array<string> }>()
  let id = ""
  let model = requestedModel
  let reason: unknown
  let used = Usage.unreported
  let serviceTier: string | undefined

  const addCall = (delta: unknown, position: number, out: Array<CompletionPart>): void => {
    if (!Predicate.isObject(delta)) return
    const index = Predicate.isNumber(delta["index"]) ? delta["index"] : position
    const call = calls.get(index) ?? { id: "", name: "", args: [] }
    calls.set(index, call)
    if (Predicate.isString(delta["id"])) call.id = delta["id"]
    const fn = delta["function"]
    if (!Predicate.isObject(fn)) return
    if (Predicate.isString(fn["name"])) call.name += fn["name"]
    const args = fn["arguments"]
    if (!Predicate.isString(args) || args === "") return
    call.args.push(args)
    out.push({ _tag: "ToolArgumentsDelta", index, delta: args })
  }

  return {
    usage: () => used.unreported > 0 ? undefined : used,
    append: ({ call, delta }, out) => {
      if (delta === "") return
      if (call === undefined) {
        text.push(delta)
        out.push({ _tag: "TextDelta", delta })
      } else {
        calls.get(call)?.args.push(delta)
        out.push({ _tag: "ToolArgumentsDelta", index: call, delta })
      }
    },
    add: (chunk, out) => {
      if (!Predicate.isObject(chunk)) return
      if (Predicate.isString(chunk["id"])) id = chunk["id"]
      if (Predicate.isString(chunk["model"])) model = chunk["model"]
      if (Predicate.isObject(chunk["usage"])) used = usage(chunk["usage"])
      if (Predicate.isString(chunk["service_tier"])) serviceTier = chunk["service_tier"]
      const choice: unknown = Array.isArray(chunk["choices"]) ? chunk["choices"][0] : undefined
      if (!Predicate.isObject(choice)) return
      if (Predicate.isNotNullish(choice["finish_reason"])) reason = choice["finish_reason"]
      const delta = choice["delta"]
      if (!Predicate.isObject(delta)) return
      if (Predicate.isString(delta["refusal"])) refusal.push(delta["refusal"])
      const added = contentText(delta["content"])
      if (added !== "") {
        text.push(added)
        out.push({ _tag: "TextDelta", delta: added })
      }
      const deltas = delta["tool_calls"]
      if (Array.isArray(deltas)) deltas.forEach((delta: unknown, position) => addCall(delta, position, out))
    },
    finish: () =>
      reason === undefined ? undefined : {
        id: redact(id),
        model: model === requestedModel ? model : redact(model),
        text: text.join(""),
        toolCalls: Array.from(calls, ([index, { args, id, name }]) => ({
          id: redact(id || `call_${index}`),
          name,
          arguments: args.join("")
        })),
        ...(refusal.length > 0 && { refusal: redact(refusal.join("")) }),
        finishReason: finishReason(reason),
        usage: used,
        ...(serviceTier !== undefined && { serviceTier: redact(serviceTier) }),
        ...(rateLimits !== undefined && { rateLimits })
      }
  }
}
