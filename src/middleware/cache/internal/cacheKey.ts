/** The key of an answer: a digest, which is short however long the request is. */
import * as Effect from "effect/Effect"
import * as Digest from "../../../internal/digest.ts"
import { fingerprint } from "../../../llm/fingerprint.ts"
import type { Llm } from "../../../llm/Llm.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"

/** The key of a request. Where no digest can be computed synchronously, it is the whole fingerprint. */
export const make = (llm: Llm["Service"], request: LlmRequest): string => {
  const text = fingerprint(llm, request)
  return Digest.sha256Sync === undefined ? text : Digest.sha256Sync(text)
}

/** The key in a store, which is short in any case. */
export const inStore = (key: string): Effect.Effect<string> =>
  Digest.sha256Sync === undefined ? digest(key) : Effect.succeed(key)

/** The SHA-256 digest of a text. */
export const digest = Digest.sha256
