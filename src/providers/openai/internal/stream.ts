/** The chunks of a streamed chat completion → `CompletionPart`s. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import * as Usage from "../../../llm/Usage.ts"
import type { Head } from "../../../transport/Transport.ts"
import { readWindows } from "../../internal/rateLimit.ts"
import { incomplete, type Server } from "../../internal/server.ts"
import type { Collector } from "../../Protocol.ts"
import { choiceError, contentText, finishReason, logprobsOf, usage } from "./completion.ts"
import { errorIn, fromInside } from "./error.ts"
import * as Template from "./template.ts"

export const makeCollector = (
  { headers }: Head,
  requestedModel: string,
  server: Server,
  nowMillis: () => number
): Collector => {
  const { redact } = server.secrets
  const template = Template.make()
  const rateLimits = readWindows(headers, server.rateLimits)
  const text: Array<string> = []
  const refusal: Array<string> = []
  const calls = new Map<number, { id: string; name: string; readonly args: Array<string> }>()
  const logprobs: Array<NonNullable<Completion["logprobs"]>[number]> = []
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

  const append = ({ call, delta }: Template.Piece, out: Array<CompletionPart>): void => {
    if (delta === "") return
    if (call === undefined) {
      text.push(delta)
      out.push({ _tag: "TextDelta", delta })
    } else {
      calls.get(call)?.args.push(delta)
      out.push({ _tag: "ToolArgumentsDelta", index: call, delta })
    }
  }

  const add = (chunk: unknown, out: Array<CompletionPart>): void => {
    if (!Predicate.isObject(chunk)) return
    if (Predicate.isString(chunk["id"])) id = chunk["id"]
    if (Predicate.isString(chunk["model"])) model = chunk["model"]
    const counted = chunk["usage"] ?? (Predicate.isObject(chunk["x_groq"]) ? chunk["x_groq"]["usage"] : undefined)
    if (Predicate.isObject(counted)) used = usage(counted)
    if (Predicate.isString(chunk["service_tier"])) serviceTier = chunk["service_tier"]
    const choice: unknown = Array.isArray(chunk["choices"]) ? chunk["choices"][0] : undefined
    if (!Predicate.isObject(choice)) return
    if (Predicate.isNotNullish(choice["finish_reason"])) reason = choice["finish_reason"]
    logprobs.push(...logprobsOf(choice))
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
  }

  const reported = () => used.unreported > 0 ? undefined : used

  return {
    usage: reported,
    event: (name, data, out) => {
      if (data === "[DONE]") return "end"
      const piece = name === "" ? template.match(data) : undefined
      if (piece !== undefined) {
        append(piece, out)
        return undefined
      }
      const parsed = Result.try((): unknown => JSON.parse(data))
      if (Result.isFailure(parsed)) return incomplete(messageOf(parsed.failure), server, reported())
      const error = errorIn(parsed.success, name === "error") ??
        (Predicate.isObject(parsed.success) ? choiceError(parsed.success) : undefined)
      if (error !== undefined) return fromInside(error, headers, server, nowMillis(), reported())
      add(parsed.success, out)
      // Pieces with probabilities are all different.
      if (logprobs.length === 0) template.learn(data, parsed.success)
      return undefined
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
        ...(logprobs.length > 0 && { logprobs }),
        ...(rateLimits !== undefined && { rateLimits })
      }
  }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
