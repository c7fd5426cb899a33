/** What an answer is kept under: as short as a digest, however long the request. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as LlmRequest from "../../../llm/LlmRequest.ts"

// Web Crypto is everywhere, but each of its digests takes a round trip through another thread.
const nodeCrypto = globalThis.process?.getBuiltinModule?.("node:crypto")

/** The key of a request to a provider. Where no digest is to be had at once, it is all that the request says. */
export const make = (provider: string, request: LlmRequest.LlmRequest): string => {
  const text = `${provider}\n${LlmRequest.canonical(request)}`
  return nodeCrypto === undefined ? text : nodeCrypto.hash("sha256", text)
}

/** The digest of a key, for a store. */
export const digest = (key: string): Effect.Effect<string> =>
  nodeCrypto === undefined
    ? Effect.map(
      Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))),
      (digest) => Hex.encode(new Uint8Array(digest))
    )
    : Effect.succeed(key)
