/**
 * The messages of a request: what the user says, what the mode adds, and what to say when an answer was not valid.
 *
 * @since 0.1.0
 */
import type * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import type { Completion } from "../llm/Completion.ts"
import type { Message, OutputFormat, ToolCall, UserPart } from "../llm/LlmRequest.ts"
import * as AnswerIssue from "../output/AnswerIssue.ts"

/**
 * What a model is told when neither the extraction nor its prompt tells it anything.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultInstructions =
  "Extract the requested data from what the user gives you. Use only what is there: where something is not stated, " +
  "say so in the way the schema allows instead of making it up."

/**
 * The messages for a prompt, `instructions` and all system messages merged into one at the start: servers differ on
 * where and how often they allow one, and the longer the unchanging beginning, the better prompt caches work.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPrompt = (prompt: Prompt.Prompt, options: {
  readonly instructions: string | undefined
  readonly output: OutputFormat
}): ReadonlyArray<Message> => {
  const system: Array<string> = []
  const rest: Array<Message> = []
  for (const message of prompt.content) {
    if (message.role === "system") system.push(message.content)
    else rest.push(...toMessages(message))
  }
  const instructions = options.instructions ?? (system.length === 0 ? defaultInstructions : "")
  const content = [instructions, ...system, formatInstructions(options.output)]
    .filter((text) => text !== "")
    .join("\n\n")
  return content === "" ? rest : [{ role: "system", content }, ...rest]
}

const formatInstructions = ({ jsonSchema, mode }: OutputFormat): string => {
  switch (mode) {
    case "json_schema":
    case "tools":
      return ""
    case "json":
      return `Answer with one JSON object that is an instance of this JSON Schema, and with nothing else:\n${
        JSON.stringify(jsonSchema)
      }`
    case "markdown":
      return "Answer with one fenced code block, ```json … ```, that holds an instance of this JSON Schema:\n" +
        JSON.stringify(jsonSchema)
  }
}

const toMessages = (message: Exclude<Prompt.Message, Prompt.SystemMessage>): ReadonlyArray<Message> => {
  switch (message.role) {
    case "user":
      return [{ role: "user", content: userContent(message.content) }]
    case "assistant": {
      const calls = message.content.flatMap((part): ReadonlyArray<ToolCall> =>
        part.type === "tool-call" ? [{ id: part.id, name: part.name, arguments: text(part.params) }] : []
      )
      const content = message.content.map((part) => part.type === "text" ? part.text : "").join("")
      return [{ role: "assistant", content, ...(calls.length > 0 && { toolCalls: calls }) }]
    }
    case "tool":
      return message.content.flatMap((part): ReadonlyArray<Message> =>
        part.type === "tool-result" ? [{ role: "tool", toolCallId: part.id, content: text(part.result) }] : []
      )
  }
}

const text = (value: unknown): string => Predicate.isString(value) ? value : JSON.stringify(value ?? null)

const userContent = (parts: ReadonlyArray<Prompt.UserMessagePart>): string | ReadonlyArray<UserPart> => {
  const [first] = parts
  return parts.length === 1 && first?.type === "text" ?
    first.text :
    parts.map((part) =>
      part.type === "text" ? { type: "text", text: part.text } : {
        type: "file",
        mediaType: part.mediaType,
        ...(part.fileName !== undefined && { fileName: part.fileName }),
        url: fileUrl(part)
      }
    )
}

const fileUrl = ({ data, mediaType }: Prompt.FilePart): string => {
  if (data instanceof URL) return data.href
  if (data instanceof Uint8Array) return `data:${mediaType};base64,${Base64.encode(data)}`
  return /^(?:https?|data):/.test(data) ? data : `data:${mediaType};base64,${data}`
}

/**
 * What to add to a request so that the model answers again: its last answer, and every issue with it. Asks for the
 * whole value again, unless an instruction says what else to ask for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reask = (
  output: OutputFormat,
  completion: Completion,
  issues: ReadonlyArray<AnswerIssue.AnswerIssue>,
  wrapper: string | undefined,
  instruction: string = wholeAgain(output)
): ReadonlyArray<Message> => {
  const complaint = `That answer is not valid:\n${
    issues
      .map(({ message, path }) => ({ message, path: wrapper === undefined ? path : [wrapper, ...path] }))
      .map((issue) => `- ${AnswerIssue.format(issue)}`)
      .join("\n")
  }\n${instruction}`
  if (output.mode === "tools" && completion.toolCalls.length > 0) {
    return [
      { role: "assistant", content: completion.text, toolCalls: completion.toolCalls },
      ...completion.toolCalls.map((call): Message => ({ role: "tool", toolCallId: call.id, content: complaint }))
    ]
  }
  return completion.text === ""
    ? [{ role: "user", content: complaint }]
    : [{ role: "assistant", content: completion.text }, { role: "user", content: complaint }]
}

const wholeAgain = (output: OutputFormat): string => {
  switch (output.mode) {
    case "json_schema":
      return "Answer again with the whole corrected value. Keep what was right."
    case "tools":
      return `Call ${output.name} again with the whole corrected arguments. Keep what was right.`
    case "json":
      return "Answer again with the whole corrected JSON object and nothing else. Keep what was right."
    case "markdown":
      return "Answer again with the whole corrected value in one ```json code block. Keep what was right."
  }
}
