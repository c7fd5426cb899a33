/** SHA-256 of a text, without a round trip through another thread where the platform allows it. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"

// Web Crypto exists everywhere, but each of its digests takes a round trip through another thread.
const nodeCrypto = globalThis.process?.getBuiltinModule?.("node:crypto")

/** The digest in hexadecimal digits. */
export const sha256 = (text: string): Effect.Effect<string> =>
  nodeCrypto === undefined
    ? Effect.map(
      Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
      (digest) => Hex.encode(new Uint8Array(digest))
    )
    : Effect.sync(() => nodeCrypto.hash("sha256", text))

/** The digests of several texts. */
export const sha256All = (texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  nodeCrypto === undefined
    ? Effect.forEach(texts, sha256)
    : Effect.sync(() => texts.map((text) => nodeCrypto.hash("sha256", text)))

/** The digest, where it can be computed at once. */
export const sha256Sync: ((text: string) => string) | undefined = nodeCrypto === undefined
  ? undefined
  : (text) => nodeCrypto.hash("sha256", text)
