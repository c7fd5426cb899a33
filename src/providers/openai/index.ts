/**
 * OpenAI and compatible servers.
 *
 * @since 0.1.0
 */

/** Chat Completions over the `openai` SDK. */
export * as OpenAi from "./OpenAi.ts"
