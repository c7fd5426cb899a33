/** The key of an answer: a digest, which is short however long the request is. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { fingerprint } from "../../../llm/fingerprint.ts"
import type { Llm } from "../../../llm/Llm.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"

// Web Crypto exists everywhere, but each of its digests takes a round trip through another thread.
const nodeCrypto = globalThis.process?.getBuiltinModule?.("node:crypto")

/** The key of a request. Where no digest can be computed synchronously, it is the whole fingerprint. */
export const make = (llm: Llm["Service"], request: LlmRequest): string => {
  const text = fingerprint(llm, request)
  return nodeCrypto === undefined ? text : nodeCrypto.hash("sha256", text)
}

/** The key in a store, which is short in any case. */
export const inStore = (key: string): Effect.Effect<string> =>
  nodeCrypto === undefined ? digest(key) : Effect.succeed(key)

/** The SHA-256 digest of a text. */
export const digest = (text: string): Effect.Effect<string> =>
  nodeCrypto === undefined
    ? Effect.map(
      Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
      (digest) => Hex.encode(new Uint8Array(digest))
    )
    : Effect.sync(() => nodeCrypto.hash("sha256", text))
