/**
 * The prefixes of the known providers.
 *
 * @category models
 * @since 0.1.0
 */
export type Prefix =
  | "openai"
  | "openai-responses"
  | "anthropic"
  | "google"
  | "groq"
  | "mistral"
  | "deepseek"
  | "xai"
  | "together"
  | "fireworks"
  | "cerebras"
  | "openrouter"
  | "gemini"
  | "ollama"
  | "vllm"
  | "llamacpp"
  | "lmstudio"

/** The providers that are no presets. */
export type Native = "openai" | "openai-responses" | "anthropic" | "google"
