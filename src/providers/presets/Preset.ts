/** A server that speaks Chat Completions, as data. */
import type * as Schema from "effect/Schema"
import type { OutputMode } from "../../llm/LlmRequest.ts"
import type { Pricing } from "../../llm/Pricing.ts"
import type { DialectInput } from "../../schema/dialects/builtIn.ts"
import type { Traits } from "../openai/OpenAi.ts"

/**
 * A server that speaks Chat Completions, as data: where it is, which modes work, and how it differs from OpenAI's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Preset<Prefix extends string = string> extends Traits {
  /** What is before the slash in `prefix/model`, and the name of the provider in telemetry and errors. */
  readonly prefix: Prefix
  readonly baseUrl: string
  /** The environment variable of the key. Without one, the server needs no key. */
  readonly apiKeyEnv?: string | undefined
  /** The model for extractions that name none. */
  readonly model?: string | undefined
  /** The modes that work, the best first: an extraction that names none uses it. */
  readonly modes: ReadonlyArray<OutputMode>
  /** The modes of models whose names match a regular expression, instead of `modes`. */
  readonly modesOf?: Readonly<Record<string, ReadonlyArray<OutputMode>>> | undefined
  /**
   * The dialect of JSON Schema that the server accepts.
   *
   * @default "openai"
   */
  readonly dialect?: DialectInput | undefined
  /** The prices of the server's models. By default they are unknown. */
  readonly pricing?: Pricing | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Fields of every request. */
  readonly adds?: Readonly<Record<string, Schema.Json>> | undefined
}

/** The modes that work for a model. */
export const modesFor = ({ modes, modesOf }: Preset, model: string): ReadonlyArray<OutputMode> =>
  Object.entries(modesOf ?? {}).find(([pattern]) => new RegExp(pattern).test(model))?.[1] ?? modes
