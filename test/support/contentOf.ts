import { assert } from "@effect/vitest"
import type { LlmRequest } from "effect-instructor"

/** The content of a message that is a single text. */
export const contentOf = (message: LlmRequest.Message | undefined): string => {
  const content = message?.content
  assert.isString(content)
  return content as string
}
