/** A `LanguageModel` of `effect/ai` as the provider of an `Llm`. */
import type * as AiError from "effect/ai/AiError"
import { UnknownError } from "effect/ai/AiError"
import type { LanguageModel } from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Telemetry from "effect/ai/Telemetry"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import { memoize } from "effect/Function"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Completion } from "./Completion.ts"
import { LlmError, Reason } from "./LlmError.ts"
import type { JsonFormat, LlmRequest, Message, ToolCall, UserPart } from "./LlmRequest.ts"
import * as Usage from "./Usage.ts"

// oxlint-disable-next-line typescript/no-explicit-any
type Parts = ReadonlyArray<Response.AllParts<any>>

export const makeComplete = (
  model: LanguageModel,
  provider: string
): (request: LlmRequest) => Effect.Effect<Completion, LlmError> =>
(request) =>
  Effect.suspend(() => {
    let seen: Parts = []
    const outer = Effect.serviceOption(Telemetry.CurrentSpanTransformer)
    return Effect.flatMap(outer, (transform) =>
      send(model, request).pipe(
        // An answer that does not decode is lost to the caller of the model, but not to its telemetry.
        Effect.provideService(Telemetry.CurrentSpanTransformer, (options) => {
          seen = options.response
          if (Option.isSome(transform)) transform.value(options)
        }),
        Effect.catch((error) =>
          seen.length > 0 && answered.has(error.reason._tag)
            ? Effect.succeed(seen)
            : Effect.fail(new LlmError({ provider, reason: reasonOf(error) }))
        ),
        Effect.map((parts) => toCompletion(parts, request))
      ))
  })

/** The model has answered, and `effect/ai` could not read it as what was asked for. */
const answered = new Set<string>(["StructuredOutputError", "InvalidOutputError", "ToolParameterValidationError"])

const isReason = Schema.is(Reason)

const reasonOf = ({ message, reason }: AiError.AiError): Reason =>
  isReason(reason) ? reason : new UnknownError({ description: message })

const send = (model: LanguageModel, { messages, output }: LlmRequest): Effect.Effect<Parts, AiError.AiError> => {
  const prompt = toPrompt(messages)
  switch (output.mode) {
    case "json_schema":
      return Effect.map(
        model.generateObject({ prompt, schema: schemaOf(output), objectName: output.name }),
        ({ content }) => content
      )
    case "tools":
      return Effect.map(
        model.generateText({
          prompt,
          toolkit: toolkitOf(output),
          toolChoice: { tool: output.name },
          disableToolCallResolution: true
        }),
        ({ content }) => content as Parts
      )
    default:
      return Effect.map(model.generateText({ prompt }), ({ content }) => content)
  }
}

/** A schema that is sent as it is, and that any answer fits: the answer is decoded later. */
const schemaOf = memoize((output: JsonFormat) =>
  Schema.Any.check(Schema.makeFilter(() => true, { toJsonSchema: () => output.jsonSchema as never }))
)

const toolkitOf = memoize((output: JsonFormat) => {
  const tool = Tool.dynamic(output.name, {
    ...(output.description !== undefined && { description: output.description }),
    parameters: schemaOf(output),
    success: Schema.Void
  })
  // @effect-diagnostics-next-line strictEffectProvide:off
  return Effect.runSync(Effect.provide(
    Effect.gen(function*() {
      return yield* Toolkit.make(tool)
    }),
    Toolkit.make(tool).toLayer({ [output.name]: () => Effect.void } as never)
  ))
})

const toPrompt = (messages: ReadonlyArray<Message>): Prompt.Prompt => {
  const names = new Map<string, string>()
  return Prompt.make(messages.map((message): Prompt.MessageEncoded => {
    switch (message.role) {
      case "system":
        return { role: "system", content: message.content }
      case "user":
        return {
          role: "user",
          content: typeof message.content === "string"
            ? [{ type: "text", text: message.content }]
            : message.content.map(toPart)
        }
      case "assistant": {
        for (const { id, name } of message.toolCalls ?? []) names.set(id, name)
        return {
          role: "assistant",
          content: [
            ...(message.content === "" ? [] : [{ type: "text" as const, text: message.content }]),
            ...(message.toolCalls ?? []).map(toCall)
          ]
        }
      }
      case "tool":
        return {
          role: "tool",
          content: [{
            type: "tool-result",
            id: message.toolCallId,
            name: names.get(message.toolCallId) ?? "",
            isFailure: true,
            result: message.content
          }]
        }
    }
  }))
}

const toCall = ({ arguments: args, id, name }: ToolCall) => ({
  type: "tool-call" as const,
  id,
  name,
  params: Result.getOrElse(Result.try((): unknown => JSON.parse(args)), () => args),
  providerExecuted: false
})

const toPart = (part: UserPart): Prompt.UserMessagePartEncoded => {
  if (part.type === "text") return { type: "text", text: part.text }
  const { fileName, mediaType, url } = part
  const base64 = /^data:[^,]*;base64,(.*)$/s.exec(url)?.[1]
  const bytes = base64 === undefined ? undefined : Result.getOrUndefined(Base64.decode(base64))
  return { type: "file", mediaType, ...(fileName !== undefined && { fileName }), data: bytes ?? new URL(url) }
}

const toCompletion = (parts: Parts, request: LlmRequest): Completion => {
  let text = ""
  let finish: Response.FinishPart | undefined
  let id = ""
  let model = request.model
  const toolCalls: Array<ToolCall> = []
  for (const part of parts) {
    if (part.type === "text") text += part.text
    else if (part.type === "tool-call") {
      toolCalls.push({ id: part.id, name: part.name, arguments: JSON.stringify(part.params ?? {}) })
    } else if (part.type === "response-metadata") {
      id = part.id ?? id
      model = part.modelId ?? model
    } else if (part.type === "finish") finish = part
  }
  return { id, model, text, toolCalls, finishReason: finish?.reason ?? "unknown", usage: toUsage(finish?.usage) }
}

const toUsage = (usage: Response.Usage | undefined): Usage.Usage => {
  const input = usage?.inputTokens.total
  const output = usage?.outputTokens.total
  return input === undefined && output === undefined ? Usage.unreported : {
    ...Usage.zero,
    inputTokens: input ?? 0,
    cachedInputTokens: usage?.inputTokens.cacheRead ?? 0,
    cacheWriteTokens: usage?.inputTokens.cacheWrite ?? 0,
    outputTokens: output ?? 0,
    reasoningTokens: usage?.outputTokens.reasoning ?? 0
  }
}
