/** The providers that the conformance suite runs over, each with a server that speaks its API. */
import { Effect, Layer, Redacted } from "effect"
import { type Llm, type LlmRequest, Provider } from "effect-instructor"
import { Anthropic } from "effect-instructor/anthropic"
import { Google } from "effect-instructor/google"
import { OpenAi } from "effect-instructor/openai"
import { Fault } from "effect-instructor/testing"
import { AnthropicSimulator, GoogleSimulator, OpenAiSimulator } from "effect-instructor/testing/simulators"

/** A key that must appear nowhere. */
export const secret = "sk-test-secret-0123456789"

interface Connection {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted
  readonly requestTimeout: "250 millis" | undefined
}

export interface Subject {
  readonly name: string
  readonly modes: ReadonlyArray<LlmRequest.OutputMode>
  /** Whether the API tells a filtered answer from a refusal. */
  readonly filters: boolean
  /** Whether a tool call arrives in pieces. */
  readonly streamsTools: boolean
  /** The provider in errors, where it is not the name. */
  readonly provider?: string | undefined
  /** Whether the API has no stop sequences. */
  readonly hasNoStop?: boolean | undefined
  /** The limits that answers report. */
  readonly limits: ReadonlyArray<readonly [unit: string, period: string]> | undefined
  /** Whether the simulator, unlike the server, reports no usage of a stream that does not ask for it. */
  readonly hidesStreamUsage?: boolean | undefined
  /** The mode that the server sees. */
  readonly wireMode?: Readonly<Record<string, string>> | undefined
  readonly start: (options: OpenAiSimulator.Options) => ReturnType<typeof OpenAiSimulator.make>
  readonly connect: (connection: Connection) => Layer.Layer<Llm.Llm>
}

const perMinute = [["requests", "minute"], ["tokens", "minute"]] as const

export const natives: ReadonlyArray<Subject> = [
  {
    name: "openai",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: true,
    streamsTools: true,
    limits: perMinute,
    start: OpenAiSimulator.make,
    connect: (connection) => OpenAi.layerProvider(connection)
  },
  {
    name: "openai-responses",
    provider: "openai",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: true,
    streamsTools: true,
    hasNoStop: true,
    limits: perMinute,
    start: OpenAiSimulator.make,
    connect: (connection) => OpenAi.layerProvider({ ...connection, api: "responses" })
  },
  {
    name: "anthropic",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: false,
    streamsTools: true,
    limits: perMinute,
    wireMode: { json: "markdown" },
    start: AnthropicSimulator.make,
    connect: (connection) => Anthropic.layerProvider(connection)
  },
  {
    name: "google",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: true,
    streamsTools: false,
    limits: undefined,
    start: GoogleSimulator.make,
    connect: (connection) => Google.layerProvider(connection)
  }
]

type Body = { readonly [key: string]: any }

/** What a server refuses that OpenAI accepts, as the message of its error. */
const quirks: Readonly<Record<string, (body: Body) => string | undefined>> = {
  groq: (body) =>
    has(body, "frequency_penalty", "presence_penalty", "verbosity") ??
      (body["response_format"]?.type === "json_schema" && (body["stream"] === true || !/gpt-oss/.test(body["model"]))
        ? "This model does not support response format `json_schema`"
        : undefined),
  mistral: (body) =>
    only(body, [
      "model",
      "messages",
      "temperature",
      "top_p",
      "max_tokens",
      "stream",
      "stop",
      "random_seed",
      "response_format",
      "tools",
      "tool_choice",
      "presence_penalty",
      "frequency_penalty",
      "parallel_tool_calls",
      "reasoning_effort",
      "service_tier",
      "prompt_cache_key"
    ]),
  deepseek: (body) =>
    body["response_format"]?.type === "json_schema"
      ? "This response_format type is unavailable now"
      : has(body, "max_completion_tokens", "seed", "parallel_tool_calls"),
  xai: (body) => has(body, "frequency_penalty", "presence_penalty"),
  together: (body) => has(body, "max_completion_tokens", "parallel_tool_calls"),
  fireworks: (body) =>
    body["response_format"]?.type === "json_schema" && !JSON.stringify(body["messages"]).includes("JSON Schema")
      ? "the model does not see the schema"
      : undefined,
  cerebras: (body) =>
    body["max_completion_tokens"] === undefined
      ? "it would count the whole context window"
      : typeof body["tool_choice"] === "object"
      ? "tool_choice must be auto or none"
      : has(body, "parallel_tool_calls", "service_tier", "frequency_penalty", "presence_penalty", "logit_bias"),
  openrouter: (body) => body["provider"]?.require_parameters === true ? undefined : "a host that ignores the schema",
  gemini: (body) => has(body, "seed", "parallel_tool_calls", "frequency_penalty"),
  ollama: (body) => has(body, "max_completion_tokens") ?? (body["tools"] === undefined ? undefined : "prose"),
  llamacpp: (body) => has(body, "max_completion_tokens"),
  lmstudio: (body) =>
    body["response_format"]?.type === "json_object"
      ? "'response_format.type' must be 'json_schema' or 'text'"
      : has(body, "max_completion_tokens")
}

const has = (body: Body, ...names: ReadonlyArray<string>): string | undefined => {
  const found = names.find((name) => body[name] !== undefined)
  return found === undefined ? undefined : `${found}: not supported`
}

const only = (body: Body, names: ReadonlyArray<string>): string | undefined => {
  const found = Object.keys(body).find((name) => !names.includes(name))
  return found === undefined ? undefined : `extra_forbidden: ${found}`
}

/** A server of Chat Completions that refuses what this one refuses. */
export const start = (prefix: string) => (options: OpenAiSimulator.Options) =>
  OpenAiSimulator.make({
    ...options,
    answer: (request) => {
      const complaint = quirks[prefix]?.(request.body)
      return complaint === undefined ? options.answer(request) : Fault.error(422, { message: complaint })
    }
  })

const presetLimits = (prefix: string): Subject["limits"] => {
  if (prefix === "groq") return [["requests", "day"], ["tokens", "minute"]]
  if (prefix === "fireworks") return [["requests", "minute"]]
  return prefix === "xai" || prefix === "openrouter" ? perMinute : undefined
}

export const presets: ReadonlyArray<Subject> = Provider.list
  .filter(({ prefix }) => !natives.some(({ name }) => name === prefix))
  .map(({ modes, prefix }): Subject => ({
    name: prefix,
    modes,
    filters: true,
    streamsTools: true,
    limits: presetLimits(prefix),
    hidesStreamUsage: prefix === "mistral",
    wireMode: prefix === "lmstudio" ? { json: "json_schema" } : undefined,
    start: start(prefix),
    connect: (connection) => Layer.orDie(Provider.layerProvider(`${prefix}/m` as Provider.Model, connection))
  }))

/** Runs an effect against a subject, and gives it the ledger of the server. */
export const against =
  (subject: Subject, options: OpenAiSimulator.Options, client?: { readonly timeout?: boolean }) =>
  <A, E>(
    use: (ledger: Effect.Effect<OpenAiSimulator.Ledger>) => Effect.Effect<A, E, Llm.Llm>
  ): Effect.Effect<A, E> =>
    Effect.gen(function*() {
      const { baseUrl, ledger } = yield* Effect.orDie(subject.start(options))
      const connection: Connection = {
        baseUrl,
        apiKey: Redacted.make(secret),
        requestTimeout: client?.timeout === true ? "250 millis" : undefined
      }
      return yield* Effect.provide(use(ledger), subject.connect(connection))
    }).pipe(Effect.scoped)
