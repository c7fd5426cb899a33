/**
 * A server that expects TLS closes a plain HTTP connection without a word, as one that has crashed does. Before the first
 * answer, a single request over TLS tells the two apart.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as LlmError from "../../llm/LlmError.ts"
import type { Transport } from "../../transport/Transport.ts"
import * as Connection from "./connection.ts"
import type { Server } from "./server.ts"

const deadline = Duration.seconds(3)

const isClosed = (reason: LlmError.Reason): boolean =>
  reason._tag === "NetworkError" && /closed|reset|hang up/i.test(reason.description ?? "")

/** The reason, or another one if the server turns out to speak TLS. */
export const explain = (
  reason: LlmError.Reason,
  server: Server,
  transport: Transport["Service"]
): Effect.Effect<LlmError.Reason> => {
  const { state, url } = server
  if (state.answered || state.probed || !isClosed(reason) || !url.startsWith("http:")) return Effect.succeed(reason)
  state.probed = true
  return Effect.map(
    Effect.match(transport.send({ url: url.replace("http:", "https:"), method: "HEAD", headers: {}, deadline }), {
      onFailure: (error) =>
        error.reason === "Connection" ? Connection.isUntrusted(error.cause) : error.reason === "Redirect",
      onSuccess: () => true
    }),
    (speaksTls) => speaksTls ? Connection.unreachable(Connection.needsTls, server) : reason
  )
}
