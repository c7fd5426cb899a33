import * as TokenCount from "./TokenCount.ts"
import type { LlmRequest } from "./LlmRequest.ts"
export const typical = (request: LlmRequest): number => TokenCount.prompt(request, TokenCount.guessText)
export const typicalAnswer = TokenCount.typicalAnswer
export const most = TokenCount.maximumPrompt
