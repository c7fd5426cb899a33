/** The events of a streamed message → `CompletionPart`s. */
import * as Result from "effect/Result"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import type * as Usage from "../../../llm/Usage.ts"
import type { Head } from "../../../transport/Transport.ts"
import { incomplete, type Server } from "../../internal/server.ts"
import { type Node, object, parse, string, text } from "../../internal/wireJson.ts"
import type { Collector, Failure } from "../../Protocol.ts"
import * as FromMessage from "./completion.ts"
import { toFailure } from "./error.ts"
import { readWindows } from "./rateLimit.ts"

interface Call {
  readonly id: string
  readonly name: string
  readonly input: Array<string>
}

interface Thinking {
  readonly block: Node
  readonly thinking: Array<string>
  signature: string
}

export const make = (
  head: Head,
  request: LlmRequest,
  server: Server,
  nowMillis: () => number
): Collector => {
  const { redact } = server.secrets
  const said: Array<string> = []
  const calls = new Map<number, Call>()
  const thoughts = new Map<number, Thinking>()
  const inTool = FromMessage.answersInTool(request)
  let message: Node = {}
  let usage: Node | undefined
  let stopReason: unknown
  let stopDetails: unknown

  const start = (index: number, block: Node): void => {
    if (block["type"] === "tool_use") {
      calls.set(index, { id: text(block["id"]) ?? `toolu_${calls.size}`, name: string(block["name"]) ?? "", input: [] })
    } else if (FromMessage.isThinking(block)) {
      thoughts.set(index, { block, thinking: [], signature: string(block["signature"]) ?? "" })
    }
  }

  const add = (index: number, delta: Node, out: Array<CompletionPart>): void => {
    const piece = string(delta["text"])
    if (piece !== undefined && piece !== "") {
      said.push(piece)
      out.push({ _tag: "TextDelta", delta: piece })
    }
    const input = string(delta["partial_json"])
    const call = calls.get(index)
    if (input !== undefined && input !== "" && call !== undefined) {
      call.input.push(input)
      out.push(
        inTool
          ? { _tag: "TextDelta", delta: input }
          : { _tag: "ToolArgumentsDelta", index: [...calls.keys()].indexOf(index), delta: input }
      )
    }
    const thought = thoughts.get(index)
    if (thought === undefined) return
    const thinking = string(delta["thinking"])
    if (thinking !== undefined) thought.thinking.push(thinking)
    const signature = string(delta["signature"])
    if (signature !== undefined) thought.signature += signature
  }

  const read = (event: Node, out: Array<CompletionPart>): Failure | "end" | undefined => {
    const index = Number(event["index"])
    switch (event["type"]) {
      case "message_start":
        message = object(event["message"]) ?? {}
        usage = object(message["usage"])
        return undefined
      case "content_block_start":
        start(index, object(event["content_block"]) ?? {})
        return undefined
      case "content_block_delta":
        add(index, object(event["delta"]) ?? {}, out)
        return undefined
      case "message_delta": {
        const delta = object(event["delta"])
        stopReason = delta?.["stop_reason"] ?? stopReason
        stopDetails = delta?.["stop_details"] ?? stopDetails
        usage = { ...usage, ...known(object(event["usage"]) ?? {}) }
        return undefined
      }
      case "message_stop":
        return "end"
      case "error":
        return {
          ...toFailure(event, "", { status: undefined, headers: head.headers }, server, nowMillis()),
          ...used(usage)
        }
      default:
        return undefined
    }
  }

  return {
    event: (_, data, out) => {
      const parsed = parse(data)
      if (Result.isFailure(parsed)) return incomplete("an event of the stream is not valid JSON", server)
      const event = object(parsed.success)
      return event === undefined ? undefined : read(event, out)
    },
    usage: () => used(usage).usage,
    finish: (): Completion | undefined =>
      stopReason === undefined || stopReason === null ? undefined : FromMessage.toCompletion(
        {
          id: string(message["id"]) ?? "",
          model: string(message["model"]) ?? request.model,
          text: said.join(""),
          calls: Array.from(calls.values(), ({ id, input, name }) => ({ id, name, arguments: input.join("") || "{}" })),
          thinking: Array.from(thoughts.values(), toBlock),
          stopReason,
          stopDetails,
          usage
        },
        request,
        redact,
        readWindows(head.headers, nowMillis())
      )
  }
}

/** Fields that an event does not report are `null`. */
const known = (usage: Node): Node =>
  Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null && value !== undefined))

const used = (usage: Node | undefined): { readonly usage?: Usage.Usage } => {
  const read = FromMessage.toUsage(usage)
  return read.unreported > 0 ? {} : { usage: read }
}

const toBlock = ({ block, signature, thinking }: Thinking): Node =>
  block["type"] === "thinking"
    ? { ...block, thinking: thinking.join(""), signature }
    : block
