/**
 * The prefixes of the known providers.
 *
 * @category models
 * @since 0.1.0
 */
export type Prefix =
  | "openai"
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
