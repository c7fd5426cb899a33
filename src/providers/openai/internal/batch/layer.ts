/** `LlmBatch` for OpenAI. Documented in `OpenAi`. */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { LlmError } from "../../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../../llm/LlmRequest.ts"
import type { DialectInput } from "../../../../schema/dialects/builtIn.ts"
import * as Rest from "../../../internal/rest.ts"
import { openAiPricing } from "../prices.ts"
import * as Protocol from "../protocol.ts"
import * as Batches from "./batches.ts"

export interface Options extends Protocol.Options {
  readonly model: string
  readonly dialect: DialectInput
  readonly requestTimeout: Duration.Input
}

export const make = (options: Options, fetch: typeof globalThis.fetch): LlmBatch.LlmBatch["Service"] => {
  const { apiKey, dialect, model, provider, requestTimeout } = options
  const { decode, encode, headers, server } = Protocol.make(options)
  const { "content-type": _, ...common } = headers
  const rest = Rest.make({
    provider,
    baseUrl: options.baseUrl.replace(/\/+$/, ""),
    headers: common,
    secrets: apiKey === undefined ? [] : [Redacted.value(apiKey)],
    timeout: Duration.fromInputUnsafe(requestTimeout),
    fetch
  })
  return LlmBatch.make({
    provider,
    origin: server.origin,
    model,
    dialect,
    pricing: openAiPricing,
    limits: Batches.limits,
    ...Batches.make({
      provider,
      origin: server.origin,
      rest,
      encode: (request) => encode(request, false),
      decode: (body, model) =>
        Result.mapError(
          decode({ status: 200, headers: {}, body: JSON.stringify(body) }, requestFor(model), () => 0),
          (failure) => new LlmError({ provider, ...failure })
        )
    })
  })
}

/** What decoding needs of a request. */
const requestFor = (model: string): LlmRequest => ({ model, messages: [], output: { mode: "text" }, parameters: {} })
