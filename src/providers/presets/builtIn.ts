/**
 * The presets of known servers.
 *
 * Facts: the documentation, the SDK typings and the issue trackers of the providers, as of 2026-11.
 */
import type { Preset } from "./Preset.ts"

const groq = {
  prefix: "groq",
  baseUrl: "https://api.groq.com/openai/v1",
  apiKeyEnv: "GROQ_API_KEY",
  model: "openai/gpt-oss-120b",
  modes: ["tools", "json", "markdown"],
  modesOf: { "gpt-oss-(?:20|120)b": ["json_schema", "tools", "json", "markdown"] },
  streamsSchema: false,
  drops: ["frequencyPenalty", "presencePenalty", "verbosity", "promptCacheKey", "logprobs"],
  rateLimits: [
    // Under OpenAI's names, requests are those of a day.
    limit("requests", "day", "x-ratelimit", "-requests"),
    limit("tokens", "minute", "x-ratelimit", "-tokens")
  ]
} as const satisfies Preset

const mistral = {
  prefix: "mistral",
  baseUrl: "https://api.mistral.ai/v1",
  apiKeyEnv: "MISTRAL_API_KEY",
  model: "mistral-large-latest",
  modes: ["json_schema", "tools", "json", "markdown"],
  lengthField: "max_tokens",
  seedField: "random_seed",
  toolChoice: "any",
  // It refuses every field that it does not know.
  streamOptions: false,
  drops: ["verbosity", "logprobs"],
  rateLimits: [
    limit("requests", "minute", "x-ratelimit", "-req-minute"),
    limit("tokens", "minute", "x-ratelimit", "-tokens-minute")
  ]
} as const satisfies Preset

const deepseek = {
  prefix: "deepseek",
  baseUrl: "https://api.deepseek.com",
  apiKeyEnv: "DEEPSEEK_API_KEY",
  model: "deepseek-chat",
  modes: ["tools", "json", "markdown"],
  modesOf: { "reasoner": ["json", "markdown"] },
  lengthField: "max_tokens",
  strict: false,
  parallelToolCalls: false,
  drops: ["seed", "verbosity", "serviceTier", "promptCacheKey", "reasoningEffort"],
  rateLimits: []
} as const satisfies Preset

const xai = {
  prefix: "xai",
  baseUrl: "https://api.x.ai/v1",
  apiKeyEnv: "XAI_API_KEY",
  model: "grok-4",
  modes: ["json_schema", "tools", "json", "markdown"],
  drops: ["frequencyPenalty", "presencePenalty", "verbosity"]
} as const satisfies Preset

const together = {
  prefix: "together",
  baseUrl: "https://api.together.xyz/v1",
  apiKeyEnv: "TOGETHER_API_KEY",
  model: "openai/gpt-oss-120b",
  modes: ["json_schema", "tools", "json", "markdown"],
  lengthField: "max_tokens",
  strict: false,
  parallelToolCalls: false,
  drops: ["verbosity", "serviceTier", "promptCacheKey"],
  rateLimits: [limit("requests", "second", "x-ratelimit", ""), limit("tokens", "second", "x-tokenlimit", "")]
} as const satisfies Preset

const fireworks = {
  prefix: "fireworks",
  baseUrl: "https://api.fireworks.ai/inference/v1",
  apiKeyEnv: "FIREWORKS_API_KEY",
  model: "accounts/fireworks/models/gpt-oss-120b",
  modes: ["json_schema", "tools", "json", "markdown"],
  // The grammar is enforced, but the model does not see the schema.
  showsSchema: true,
  drops: ["verbosity", "serviceTier"],
  adds: { context_length_exceeded_behavior: "error" },
  rateLimits: [
    limit("requests", "minute", "x-ratelimit", "-requests"),
    limit("inputTokens", "minute", "x-ratelimit", "-tokens-prompt"),
    limit("outputTokens", "minute", "x-ratelimit", "-tokens-generated")
  ]
} as const satisfies Preset

const cerebras = {
  prefix: "cerebras",
  baseUrl: "https://api.cerebras.ai/v1",
  apiKeyEnv: "CEREBRAS_API_KEY",
  model: "gpt-oss-120b",
  modes: ["json_schema", "json", "tools", "markdown"],
  // Without a limit, the whole context window counts against the tokens per minute.
  maxTokens: 8192,
  toolChoice: "auto",
  parallelToolCalls: false,
  drops: ["frequencyPenalty", "presencePenalty", "verbosity", "serviceTier", "promptCacheKey"],
  rateLimits: [
    limit("requests", "day", "x-ratelimit", "-requests-day"),
    limit("tokens", "minute", "x-ratelimit", "-tokens-minute")
  ]
} as const satisfies Preset

const openrouter = {
  prefix: "openrouter",
  baseUrl: "https://openrouter.ai/api/v1",
  apiKeyEnv: "OPENROUTER_API_KEY",
  model: "openai/gpt-5.4-mini",
  modes: ["json_schema", "tools", "json", "markdown"],
  parallelToolCalls: false,
  drops: ["verbosity", "serviceTier"],
  // Otherwise a host that ignores the schema may serve the request.
  adds: { provider: { require_parameters: true } }
} as const satisfies Preset

const gemini = {
  prefix: "gemini",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai",
  apiKeyEnv: "GEMINI_API_KEY",
  model: "gemini-3.8-flash",
  modes: ["json_schema", "tools", "json", "markdown"],
  dialect: "google",
  strict: false,
  parallelToolCalls: false,
  drops: ["seed", "verbosity", "serviceTier", "promptCacheKey", "frequencyPenalty", "presencePenalty", "logprobs"],
  rateLimits: []
} as const satisfies Preset

const ollama = {
  prefix: "ollama",
  baseUrl: "http://localhost:11434/v1",
  model: "qwen3:8b",
  // It ignores the choice of a tool.
  modes: ["json_schema", "json", "markdown"],
  dialect: "plain",
  lengthField: "max_tokens",
  drops: ["verbosity", "serviceTier", "promptCacheKey"],
  rateLimits: []
} as const satisfies Preset

const vllm = {
  prefix: "vllm",
  baseUrl: "http://localhost:8000/v1",
  modes: ["json_schema", "tools", "json", "markdown"],
  dialect: "plain",
  drops: ["verbosity", "serviceTier", "promptCacheKey"],
  rateLimits: []
} as const satisfies Preset

const llamacpp = {
  prefix: "llamacpp",
  baseUrl: "http://localhost:8080/v1",
  modes: ["json_schema", "json", "markdown"],
  dialect: "plain",
  lengthField: "max_tokens",
  drops: ["verbosity", "serviceTier", "promptCacheKey", "reasoningEffort"],
  rateLimits: []
} as const satisfies Preset

const lmstudio = {
  prefix: "lmstudio",
  baseUrl: "http://localhost:1234/v1",
  modes: ["json_schema", "json", "markdown"],
  dialect: "plain",
  lengthField: "max_tokens",
  // It has no JSON object, but a schema that accepts any object.
  jsonFormat: "json_schema",
  drops: ["verbosity", "serviceTier", "promptCacheKey", "reasoningEffort"],
  rateLimits: []
} as const satisfies Preset

export const builtIn = {
  groq,
  mistral,
  deepseek,
  xai,
  together,
  fireworks,
  cerebras,
  openrouter,
  gemini,
  ollama,
  vllm,
  llamacpp,
  lmstudio
} as const

/** The headers of a limit whose three names differ in the middle. */
function limit<U extends "requests" | "tokens" | "inputTokens" | "outputTokens", P extends "second" | "minute" | "day">(
  unit: U,
  period: P,
  start: string,
  end: string
) {
  return {
    unit,
    period,
    limit: `${start}-limit${end}`,
    remaining: `${start}-remaining${end}`,
    reset: `${start}-reset${end}`
  }
}
