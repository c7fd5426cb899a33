/** `LlmBatch` for Anthropic. Documented in `Anthropic`. */
import * as Duration from "effect/Duration"
import * as LlmBatch from "../../../../llm/LlmBatch.ts"
import type { DialectInput } from "../../../../schema/dialects/builtIn.ts"
import * as Rest from "../../../internal/rest.ts"
import type { Server } from "../../../internal/server.ts"
import type { Protocol } from "../../../Protocol.ts"
import { anthropicPricing } from "../prices.ts"
import * as Batches from "./batches.ts"

export interface Options {
  readonly server: Server
  readonly protocol: Protocol
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly model: string
  readonly dialect: DialectInput
  readonly requestTimeout: Duration.Input
}

export const make = (
  { baseUrl, dialect, model, protocol, requestTimeout, server }: Options,
  fetch: typeof globalThis.fetch
): LlmBatch.LlmBatch["Service"] => {
  const { "content-type": _, ...headers } = protocol.headers
  return LlmBatch.make({
    provider: server.provider,
    origin: server.origin,
    model,
    dialect,
    pricing: anthropicPricing,
    limits: Batches.limits,
    ...Batches.make({
      server,
      rest: Rest.make({
        provider: server.provider,
        baseUrl,
        headers,
        scrub: server.secrets.scrub,
        timeout: Duration.fromInputUnsafe(requestTimeout),
        fetch,
        failure: protocol.failure
      }),
      encode: (request) => protocol.encode(request, false)
    })
  })
}
