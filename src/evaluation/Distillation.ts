/**
 * Fine-tuning data from the answers of a run: the requests as they are sent, with the values as the answers.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Compiled from "../extraction/Compiled.ts"
import type { Extraction } from "../extraction/Extraction.ts"
import { type ExtractionError, InvalidInput } from "../extraction/ExtractionError.ts"
import { notSent } from "../extraction/NotSent.ts"
import type { JsonFormat, Message } from "../llm/LlmRequest.ts"
import { type DialectInput, toDialect } from "../schema/dialects/builtIn.ts"

/**
 * The formats of fine-tuning files: OpenAI's chat format, Anthropic's messages, and the contents of Gemini.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "openai-chat" | "anthropic" | "gemini"

/**
 * The options of `toExample`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly format: Format
  /**
   * The dialect of JSON Schema that the tuned model will be asked in.
   *
   * @default "openai"
   */
  readonly dialect?: DialectInput | undefined
}

/**
 * Makes one example for fine-tuning from an input and its value: the messages that the extraction sends, and the answer
 * that gives the value. Use it to tune a small model on the checked answers of a large one. Fails if the input or the value
 * cannot be used.
 *
 * **Example** (A line of a file)
 *
 * ```ts
 * import { Result, Schema } from "effect"
 * import { Distillation, Extraction } from "effect-instructor"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }), instructions: "Which city?" })
 *
 * const example = Distillation.toExample(city, "I live in Paris", { city: "Paris" }, { format: "anthropic" })
 *
 * Result.getOrThrow(example)["system"] // => "Which city?"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toExample = <A, Input, R>(
  self: Extraction<A, Input, R>,
  input: Input,
  value: A,
  options: Options
): Result.Result<Schema.JsonObject, ExtractionError> =>
  Result.gen(function*() {
    const compiled = yield* Compiled.make(self, toDialect(options.dialect ?? "openai"))
    const { messages } = yield* Compiled.toRequest(compiled, input, "model")
    const answer = yield* answerOf(compiled, value)
    return formats[options.format](messages, answer, compiled.output)
  })

/** The JSON of a value, as the model is to write it. */
const answerOf = <A, Input, R>(
  { base, extraction, response }: Compiled.Compiled<A, Input, R>,
  value: A
): Result.Result<string, ExtractionError> => {
  const invalid = (why: string) => notSent(extraction.name, new InvalidInput({ description: why }))
  if (base !== undefined) return Result.fail(invalid("An extraction that is made of others has no single answer"))
  const codec = Schema.toCodecJson(Schema.make<Schema.Codec<unknown>>(extraction.schema.ast))
  return Result.try(() => Schema.encodeUnknownResult(codec)(value)).pipe(
    Result.flatMap((encoded) => encoded),
    Result.mapBoth({
      onSuccess: (json) => JSON.stringify(response.write(json)),
      onFailure: (issue) => invalid(`The value cannot be encoded: ${String(issue)}`)
    })
  )
}

const textOf = ({ content }: Message): string =>
  typeof content === "string" ? content : content.map((part) => part.type === "text" ? part.text : "").join("")

const systemOf = (messages: ReadonlyArray<Message>): string =>
  messages.filter(({ role }) => role === "system").map(textOf).join("\n\n")

const asText = (answer: string, { mode }: JsonFormat): string =>
  mode === "markdown" ? `\`\`\`json\n${answer}\n\`\`\`` : answer

type ToExample = (messages: ReadonlyArray<Message>, answer: string, output: JsonFormat) => Schema.JsonObject

/** What was called and answered in examples is text in formats without tools. */
const turns = (messages: ReadonlyArray<Message>): ReadonlyArray<Message> =>
  messages.filter(({ role }) => role === "user" || role === "assistant")

const turnText = (message: Message): string =>
  message.role === "assistant" && message.toolCalls !== undefined
    ? message.toolCalls[0]?.arguments ?? ""
    : textOf(message)

const openAi: ToExample = (messages, answer, output) => {
  const own = messages.map((message): Schema.JsonObject => ({ role: message.role, ...openAiContent(message) }))
  if (output.mode !== "tools") {
    return { messages: [...own, { role: "assistant", content: asText(answer, output) }] }
  }
  const call = { id: "call_1", type: "function", function: { name: output.name, arguments: answer } }
  return {
    messages: [...own, { role: "assistant", tool_calls: [call] }],
    tools: [{
      type: "function",
      function: {
        name: output.name,
        ...(output.description !== undefined && { description: output.description }),
        parameters: output.jsonSchema
      }
    }]
  }
}

const openAiContent = (message: Message): Schema.JsonObject => {
  if (message.role === "tool") return { tool_call_id: message.toolCallId, content: message.content }
  if (message.role !== "assistant" || message.toolCalls === undefined) return { content: textOf(message) }
  return {
    tool_calls: message.toolCalls.map(({ arguments: json, id, name }) => ({
      id,
      type: "function",
      function: { name, arguments: json }
    }))
  }
}

const anthropic: ToExample = (messages, answer, output) => ({
  system: systemOf(messages),
  messages: [
    ...turns(messages).map((message) => ({ role: message.role, content: turnText(message) })),
    { role: "assistant", content: asText(answer, output) }
  ]
})

const gemini: ToExample = (messages, answer, output) => ({
  systemInstruction: { role: "system", parts: [{ text: systemOf(messages) }] },
  contents: [
    ...turns(messages).map((message) => ({
      role: message.role === "assistant" ? "model" : "user",
      parts: [{ text: turnText(message) }]
    })),
    { role: "model", parts: [{ text: asText(answer, output) }] }
  ]
})

const formats: Readonly<Record<Format, ToExample>> = { "openai-chat": openAi, anthropic, gemini }
