/**
 * Requests as data: plain, serialisable and complete. The same value is sent, cached, recorded in a journal or written to
 * a batch file.
 *
 * @since 0.1.0
 */
import { memoize } from "effect/Function"
import * as Schema from "effect/Schema"
import { canonicalJson } from "../internal/canonicalJson.ts"

/**
 * The schema of `OutputMode`.
 *
 * **Example** (A mode and another text)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.OutputMode)("tools") // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const OutputMode = Schema.Literals(["json_schema", "tools", "json", "markdown"])

/**
 * How the schema reaches the model and how the answer comes back: `json_schema` (a structured response format), `tools`
 * (a forced tool call), `json` (a JSON object, with the schema in the prompt) or `markdown` (a fenced block in plain text,
 * with the schema in the prompt). Use `json_schema` or `tools` where the provider supports them.
 *
 * @category models
 * @since 0.1.0
 */
export type OutputMode = typeof OutputMode.Type

/**
 * The schema of `JsonFormat`.
 *
 * **Example** (The format of an extraction)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * const format = { mode: "json_schema", name: "person", jsonSchema: { type: "object" }, strict: true }
 *
 * Schema.is(LlmRequest.JsonFormat)(format) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const JsonFormat = Schema.Struct({
  mode: OutputMode,
  /** Up to 64 letters, digits, `_` and `-`. */
  name: Schema.String,
  description: Schema.optionalKey(Schema.String),
  jsonSchema: Schema.Record(Schema.String, Schema.Json),
  /** Whether the provider should enforce the schema exactly. Only for `json_schema` and `tools`. */
  strict: Schema.optionalKey(Schema.Boolean)
})

/**
 * The output format of an extraction: a JSON Schema with its name, and the mode.
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonFormat extends Schema.Schema.Type<typeof JsonFormat> {}

/**
 * The schema of `OutputFormat`.
 *
 * **Example** (An answer in prose)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.OutputFormat)({ mode: "text" }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const OutputFormat = Schema.Union([JsonFormat, Schema.Struct({ mode: Schema.Literal("text") })])

/**
 * The format of the answer: JSON for a schema, or `text` for prose.
 *
 * @category models
 * @since 0.1.0
 */
export type OutputFormat = typeof OutputFormat.Type

/**
 * The schema of `ProviderData`.
 *
 * **Example** (Any JSON object)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.ProviderData)({ signature: "abc" }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProviderData = Schema.Record(Schema.String, Schema.Json)

/**
 * Opaque data of a provider that has to be sent back with the next request, such as the signature of a thought. Nothing
 * but the provider reads it.
 *
 * @category models
 * @since 0.1.0
 */
export type ProviderData = typeof ProviderData.Type

/**
 * The schema of `UserPart`.
 *
 * **Example** (A file by its URL)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.UserPart)({ type: "file", mediaType: "image/png", url: "https://example.com/a.png" }) // => true
 * ```
 *
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
 * A part of a user message: text, or a file with its URL (`https:` or `data:`).
 *
 * @category models
 * @since 0.1.0
 */
export type UserPart = typeof UserPart.Type

/**
 * The schema of `ToolCall`.
 *
 * **Example** (A call with its arguments as text)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.ToolCall)({ id: "1", name: "person", arguments: "{}" }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const ToolCall = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  arguments: Schema.String,
  providerData: Schema.optionalKey(ProviderData)
})

/**
 * A tool call, with its arguments as the model wrote them.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

/**
 * The schema of `Message`.
 *
 * **Example** (A question)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.Message)({ role: "user", content: "Who is Ada?" }) // => true
 * ```
 *
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
    toolCalls: Schema.optionalKey(Schema.Array(ToolCall)),
    providerData: Schema.optionalKey(ProviderData)
  }),
  Schema.Struct({ role: Schema.Literal("tool"), toolCallId: Schema.String, content: Schema.String })
])

/**
 * A message of a request.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * The schema of `Parameters`.
 *
 * **Example** (A temperature)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * Schema.is(LlmRequest.Parameters)({ temperature: 0.2, maxTokens: 500 }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Parameters = Schema.Struct({
  /** The maximum number of tokens of the answer, reasoning included. */
  maxTokens: Schema.optionalKey(Schema.Natural),
  temperature: Schema.optionalKey(Schema.Finite),
  topP: Schema.optionalKey(Schema.Finite),
  seed: Schema.optionalKey(Schema.Int),
  stop: Schema.optionalKey(Schema.Array(Schema.String)),
  frequencyPenalty: Schema.optionalKey(Schema.Finite),
  presencePenalty: Schema.optionalKey(Schema.Finite),
  reasoningEffort: Schema.optionalKey(Schema.String),
  verbosity: Schema.optionalKey(Schema.String),
  /** Whether the completion has the log probabilities of its tokens. Providers that have none ignore it, and a warning says so. */
  logprobs: Schema.optionalKey(Schema.Boolean),
  serviceTier: Schema.optionalKey(Schema.String),
  /**
   * A key for requests that begin alike, so that the provider routes them to a machine whose prompt cache has that
   * beginning. A provider may spread more than about 15 requests per minute with one key over several machines.
   */
  promptCacheKey: Schema.optionalKey(Schema.String),
  extra: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
})

/**
 * The parameters of a request. `extra` is merged into the request body as it is, for parameters that only one provider
 * has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parameters extends Schema.Schema.Type<typeof Parameters> {}

/**
 * The schema of `LlmRequest`: the encoded form is the request itself.
 *
 * **Example** (A request by hand)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmRequest } from "effect-instructor"
 *
 * const request = {
 *   model: "gpt-5.4-mini",
 *   messages: [{ role: "user", content: "Who is Ada?" }],
 *   output: { mode: "text" },
 *   parameters: {}
 * }
 *
 * Schema.is(LlmRequest.LlmRequest)(request) // => true
 * ```
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
 * A request: everything that an answer depends on. Build one with `Extraction.toRequest`, or by hand to call an `Llm`
 * directly.
 *
 * @category models
 * @since 0.1.0
 */
export interface LlmRequest extends Schema.Schema.Type<typeof LlmRequest> {}

/**
 * Returns a request as canonical JSON: the same text for equal requests, whatever the order of their keys, and a different
 * text for all others. Use it as a key for requests.
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

// All requests of an extraction share these two, and the schema in one of them may be long.
const canonicalOnce = memoize((part: OutputFormat | Parameters): string => canonicalJson(part))

const canonicalMessages = (messages: ReadonlyArray<Message>): string => `[${messages.map(canonicalMessage).join(",")}]`

const canonicalMessage = (message: Message): string =>
  message.role === "system" || message.role === "user" && typeof message.content === "string"
    ? `{"content":${JSON.stringify(message.content)},"role":"${message.role}"}`
    : canonicalJson(message)
