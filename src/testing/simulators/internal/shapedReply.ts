/** A reply as the parameters of a request bound it. */
import * as Reply from "../../Reply.ts"
import type { ChatRequest } from "./chatRequest.ts"

/** The reply up to the first stop sequence, and no longer than the request allows. */
export const shape = (reply: Reply.Reply, { maxTokens, stop }: ChatRequest): Reply.Reply => {
  const ends = stop.map((sequence) => reply.text.indexOf(sequence)).filter((at) => at !== -1)
  const stopped: Reply.Reply = ends.length === 0
    ? reply
    : { ...reply, text: reply.text.slice(0, Math.min(...ends)), finishReason: "stop" }
  return maxTokens === undefined || Reply.estimateTokens(stopped.text) <= maxTokens
    ? stopped
    : { ...stopped, text: prefix(stopped.text, maxTokens * 4), finishReason: "length" }
}

// JSON cannot contain half of a surrogate pair.
const prefix = (text: string, length: number): string => text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")
