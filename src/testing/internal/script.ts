/** Scripts of mocks: what they answer, and the completion for a reply. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Completion } from "../../llm/Completion.ts"
import * as LlmError from "../../llm/LlmError.ts"
import type { LlmRequest, Message } from "../../llm/LlmRequest.ts"
import * as Usage from "../../llm/Usage.ts"
import * as Reply from "../Reply.ts"

type Answered<A> = A | Effect.Effect<A, LlmError.Reason | LlmError.LlmError>

type Handler<A> = (request: LlmRequest, call: number) => Answered<A>

type Script<A> = Handler<A> | ReadonlyArray<A> | { readonly [input: string]: A }

export const provider = "mock"

export const toError = (error: LlmError.Reason | LlmError.LlmError): LlmError.LlmError =>
  LlmError.isLlmError(error) ? error : new LlmError.LlmError({ provider, reason: error })

export const toHandler = <A>(script: Script<A>): Handler<A> => {
  if (Predicate.isFunction(script)) return script
  if (isList(script)) {
    return (_, call) =>
      call < script.length
        ? script[call]!
        : noReply(`the script has ${script.length} replies, and this is request ${call + 1}`)
  }
  return (request) => {
    const inputs = request.messages.flatMap(userText)
    const input = inputs.findLast((text) => Object.hasOwn(script, text))
    return input === undefined
      ? noReply(`the script has no reply for ${JSON.stringify(inputs[inputs.length - 1])}`)
      : script[input]!
  }
}

const isList = <A>(script: Exclude<Script<A>, Handler<A>>): script is ReadonlyArray<A> => Array.isArray(script)

const userText = (message: Message): ReadonlyArray<string> => {
  if (message.role !== "user") return []
  return Predicate.isString(message.content)
    ? [message.content]
    : [message.content.map((part) => part.type === "text" ? part.text : "").join("")]
}

const noReply = (description: string) => Effect.fail(new AiError.InvalidRequestError({ description }))

export const toCompletion = (reply: Reply.Reply, request: LlmRequest, call: number): Completion => {
  const { output } = request
  const asTool = output.mode === "tools" && reply.refusal === undefined
  return {
    id: `mock-${call}`,
    model: request.model,
    text: asTool ? "" : reply.text,
    toolCalls: asTool ? [{ id: `call_${call}`, name: output.name, arguments: reply.text }] : [],
    ...(reply.refusal !== undefined && { refusal: reply.refusal }),
    finishReason: asTool && reply.finishReason === "stop" ? "tool-calls" : reply.finishReason,
    usage: {
      ...Usage.zero,
      inputTokens: reply.usage?.inputTokens ?? Reply.estimateTokens(JSON.stringify(request.messages)),
      cachedInputTokens: reply.usage?.cachedInputTokens ?? 0,
      outputTokens: reply.usage?.outputTokens ?? Reply.estimateTokens(reply.refusal ?? reply.text),
      reasoningTokens: reply.usage?.reasoningTokens ?? 0
    }
  }
}
