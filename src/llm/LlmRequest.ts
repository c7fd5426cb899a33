/**
 * A request as data: plain, serialisable, complete. What is sent, cached, journalled or written to a batch file is
 * always this value.
 *
 * @since 0.1.0
 */
import { memoize } from "effect/Function"
import * as Schema from "effect/Schema"
import { canonicalJson } from "./internal/canonicalJson.ts"

/**
 * How the schema reaches the model and the answer comes back: `json_schema` (strict response format), `tools` (a
 * forced, strict function call), `json` (a JSON object, the schema in the prompt) or `markdown` (a fenced block in
 * plain text, the schema in the prompt).
 *
 * @category models
 * @since 0.1.0
 */
export type OutputMode = typeof OutputMode.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const OutputMode = Schema.Literals(["json_schema", "tools", "json", "markdown"])

/**
 * What is asked for: the mode, the JSON Schema, and the name and description it goes by.
 *
 * @category models
 * @since 0.1.0
 */
export interface OutputFormat extends Schema.Schema.Type<typeof OutputFormat> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const OutputFormat = Schema.Struct({
  mode: OutputMode,
  /** Letters, digits, `_` and `-`, at most 64. */
  name: Schema.String,
  description: Schema.optionalKey(Schema.String),
  jsonSchema: Schema.Record(Schema.String, Schema.Json)
})

/**
 * A part of a user's message: text, or a file by its URL (`https:` or `data:`).
 *
 * @category models
 * @since 0.1.0
 */
export type UserPart = typeof UserPart.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const UserPart = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text"), text: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("file"),
    mediaType: Schema.String,
    fileName: Schema.optionalKey(Schema.String),
    url: Schema.String
  })
])

/**
 * A call of a tool, with its arguments as the model wrote them.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const ToolCall = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  arguments: Schema.String
})

/**
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union([
  Schema.Struct({ role: Schema.Literal("system"), content: Schema.String }),
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Union([Schema.String, Schema.Array(UserPart)])
  }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: Schema.String,
    toolCalls: Schema.optionalKey(Schema.Array(ToolCall))
  }),
  Schema.Struct({ role: Schema.Literal("tool"), toolCallId: Schema.String, content: Schema.String })
])

/**
 * What else a request says to the model. `extra` goes into the request body as it is, for what one provider knows and
 * others do not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parameters extends Schema.Schema.Type<typeof Parameters> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const Parameters = Schema.Struct({
  /** The most tokens an answer may have, reasoning included. */
  maxTokens: Schema.optionalKey(Schema.Natural),
  temperature: Schema.optionalKey(Schema.Finite),
  topP: Schema.optionalKey(Schema.Finite),
  seed: Schema.optionalKey(Schema.Int),
  stop: Schema.optionalKey(Schema.Array(Schema.String)),
  frequencyPenalty: Schema.optionalKey(Schema.Finite),
  presencePenalty: Schema.optionalKey(Schema.Finite),
  reasoningEffort: Schema.optionalKey(Schema.String),
  verbosity: Schema.optionalKey(Schema.String),
  serviceTier: Schema.optionalKey(Schema.String),
  /**
   * Which requests begin alike, so that the provider sends them where its prompt cache has that beginning. One key is
   * good for some 15 requests a minute; those beyond that go elsewhere all the same.
   */
  promptCacheKey: Schema.optionalKey(Schema.String),
  extra: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
})

/**
 * @category models
 * @since 0.1.0
 */
export interface LlmRequest extends Schema.Schema.Type<typeof LlmRequest> {}

/**
 * Encodes and decodes requests: the encoded form is the request itself.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LlmRequest = Schema.Struct({
  model: Schema.String,
  messages: Schema.Array(Message),
  output: OutputFormat,
  parameters: Parameters
})

/**
 * A request as canonical JSON: the same text for requests that mean the same, whatever the order of their keys, and
 * another for any that could get another answer. What is cached or journalled goes by it.
 *
 * **Example** (The order of keys)
 *
 * ```ts
 * import { LlmRequest } from "effect-instructor"
 *
 * const request = (parameters: LlmRequest.Parameters): LlmRequest.LlmRequest => ({
 *   model: "small",
 *   messages: [{ role: "user", content: "I live in Paris" }],
 *   output: { mode: "json", name: "City", jsonSchema: {} },
 *   parameters
 * })
 * const one = LlmRequest.canonical(request({ seed: 1, temperature: 0 }))
 * const other = LlmRequest.canonical(request({ temperature: 0, seed: 1 }))
 *
 * one === other // => true
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const canonical = ({ messages, model, output, parameters }: LlmRequest): string =>
  `{"messages":${canonicalMessages(messages)},"model":${JSON.stringify(model)},"output":${canonicalOnce(output)},` +
  `"parameters":${canonicalOnce(parameters)}}`

// Every request of an extraction shares these two, and the schema in one of them may be long.
const canonicalOnce = memoize((part: OutputFormat | Parameters): string => canonicalJson(part))

const canonicalMessages = (messages: ReadonlyArray<Message>): string => `[${messages.map(canonicalMessage).join(",")}]`

const canonicalMessage = (message: Message): string =>
  message.role === "system" || message.role === "user" && typeof message.content === "string"
    ? `{"content":${JSON.stringify(message.content)},"role":"${message.role}"}`
    : canonicalJson(message)
