/** How a server that speaks Chat Completions differs from OpenAI's. */
import type * as Schema from "effect/Schema"
import type { Parameters } from "../../../llm/LlmRequest.ts"
import type { LimitHeaders } from "../../internal/rateLimit.ts"

/**
 * How a server that speaks Chat Completions differs from OpenAI's: plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traits {
  /**
   * The name of the field for `maxTokens`.
   *
   * @default "max_completion_tokens"
   */
  readonly lengthField?: "max_completion_tokens" | "max_tokens" | undefined
  /** The `maxTokens` of requests that set none, for servers that count the longest answer against a limit. */
  readonly maxTokens?: number | undefined
  /**
   * The name of the field for `seed`.
   *
   * @default "seed"
   */
  readonly seedField?: string | undefined
  /**
   * How a tool is forced: by its name, by `any` or `required`, or not at all.
   *
   * @default "named"
   */
  readonly toolChoice?: "named" | "any" | "required" | "auto" | undefined
  /**
   * Whether schemas are marked with `strict`.
   *
   * @default true
   */
  readonly strict?: boolean | undefined
  /**
   * Whether the server takes `parallel_tool_calls`.
   *
   * @default true
   */
  readonly parallelToolCalls?: boolean | undefined
  /**
   * Whether a stream has to ask for its usage with `stream_options`.
   *
   * @default true
   */
  readonly streamOptions?: boolean | undefined
  /**
   * Whether a stream may have a schema. Where not, a stream asks for a JSON object, and shows the schema in the prompt.
   *
   * @default true
   */
  readonly streamsSchema?: boolean | undefined
  /**
   * The response format of the mode `json`.
   *
   * @default "json_object"
   */
  readonly jsonFormat?: "json_object" | "json_schema" | undefined
  /**
   * Whether the prompt has to show the schema of a response format, because the model does not see it.
   *
   * @default false
   */
  readonly showsSchema?: boolean | undefined
  /** Parameters that the server does not take. They are left out, which is said once. */
  readonly drops?: ReadonlyArray<keyof Parameters> | undefined
  /** Fields of every request. */
  readonly adds?: Readonly<Record<string, Schema.Json>> | undefined
  /**
   * The headers of the rate limits.
   *
   * @default OpenAI's, which are per minute
   */
  readonly rateLimits?: ReadonlyArray<LimitHeaders> | undefined
}
