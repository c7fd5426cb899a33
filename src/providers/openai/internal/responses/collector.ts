/** The events of a streamed response → `CompletionPart`s. The last event repeats the whole response. */
import * as Result from "effect/Result"
import type { Completion, CompletionPart } from "../../../../llm/Completion.ts"
import type { Head } from "../../../../transport/Transport.ts"
import { readWindows } from "../../../internal/rateLimit.ts"
import { incomplete, invalid, type Server } from "../../../internal/server.ts"
import { list, type Node, object, parse, string } from "../../../internal/wireJson.ts"
import type { Collector, Failure } from "../../../Protocol.ts"
import { fromInside } from "../error.ts"
import * as Output from "./output.ts"

/** Events that repeat what others say, or announce it. They are not read. */
const skipped = new Set([
  "response.created",
  "response.queued",
  "response.in_progress",
  "response.content_part.added",
  "response.content_part.done",
  "response.output_text.done",
  "response.refusal.done",
  "response.function_call_arguments.done"
])

export const make = (head: Head, model: string, server: Server, nowMillis: () => number): Collector => {
  const { redact } = server.secrets
  /** The items that have ended, by their place. Some servers leave them out of the last event. */
  const items = new Map<number, Node>()
  /** The places of calls. */
  const calls: Array<number> = []
  let completion: Completion | undefined
  let last: Node | undefined

  const callAt = (place: number): number => {
    const known = calls.indexOf(place)
    return known === -1 ? calls.push(place) - 1 : known
  }

  const fail = (error: Node, response?: Node): Failure =>
    fromInside(error, head.headers, server, nowMillis(), Output.reported(response))

  const finish = (response: Node): Failure | "end" => {
    last = response
    const error = Output.errorOf(response)
    if (error !== undefined) return fail(error, response)
    const isWhole = list(response["output"]).length > 0 || items.size === 0
    const output = isWhole
      ? response["output"]
      : Array.from(items).toSorted(([a], [b]) => a - b).map(([, item]) => item)
    const read = Output.fromBody(
      { ...response, output },
      { model, redact, rateLimits: readWindows(head.headers, server.rateLimits) }
    )
    if (typeof read === "string") return invalid(read, server, Output.reported(response))
    completion = read
    return "end"
  }

  const read = (event: Node, out: Array<CompletionPart>): Failure | "end" | undefined => {
    const place = Number(event["output_index"])
    const delta = string(event["delta"]) ?? ""
    switch (event["type"]) {
      case "response.output_text.delta":
        if (delta !== "") out.push({ _tag: "TextDelta", delta })
        return undefined
      case "response.function_call_arguments.delta":
        if (delta !== "") out.push({ _tag: "ToolArgumentsDelta", index: callAt(place), delta })
        return undefined
      case "response.output_item.added":
        if (object(event["item"])?.["type"] === "function_call") callAt(place)
        return undefined
      case "response.output_item.done": {
        const item = object(event["item"])
        if (item !== undefined) items.set(place, item)
        return undefined
      }
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        return finish(object(event["response"]) ?? {})
      case "error": {
        const { type: _, ...fields } = event
        return fail(object(event["error"]) ?? fields)
      }
      default: {
        // Gateways end a stream with an error in their own form.
        const error = event["type"] === undefined ? object(event["error"]) : undefined
        return error === undefined ? undefined : fail(error)
      }
    }
  }

  return {
    event: (name, data, out) => {
      if (skipped.has(name)) return undefined
      if (data === "[DONE]") return "end"
      const parsed = parse(data)
      if (Result.isFailure(parsed)) return incomplete("an event of the stream is not valid JSON", server)
      const event = object(parsed.success)
      return event === undefined ? undefined : read(event, out)
    },
    usage: () => Output.reported(last),
    finish: () => completion
  }
}
