/**
 * A server that expects TLS closes a plain HTTP connection without a word, as one that has crashed does. Before the first
 * answer, a single request over TLS tells the two apart.
 */
import * as Effect from "effect/Effect"
import type { LlmError } from "../../../llm/LlmError.ts"
import * as Connection from "./connection.ts"
import { type Context, fail } from "./context.ts"

const timeout = "3 seconds"

const isClosed = ({ reason }: LlmError): boolean =>
  reason._tag === "NetworkError" && /closed|reset|hang up/i.test(reason.description ?? "")

/** The error, or another one if the server turns out to speak TLS. */
export const explain = (
  error: LlmError,
  context: Context,
  fetch: typeof globalThis.fetch | undefined
): Effect.Effect<LlmError> => {
  const { server, url } = context
  if (fetch === undefined || server.answered || server.probed || !isClosed(error) || !url.startsWith("http:")) {
    return Effect.succeed(error)
  }
  server.probed = true
  return Effect.tryPromise((signal) => fetch(url.replace("http:", "https:"), { method: "HEAD", signal })).pipe(
    Effect.match({ onFailure: ({ cause }) => Connection.isUntrusted(cause), onSuccess: () => true }),
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.succeed(false) }),
    Effect.map((speaksTls) => speaksTls ? fail(context, Connection.unreachable(Connection.needsTls, context)) : error)
  )
}
