/** `LlmBatch` for OpenAI. Documented in `OpenAi`. */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { LlmError } from "../../../../llm/LlmError.ts"
import type { DialectInput } from "../../../../schema/dialects/builtIn.ts"
import * as Rest from "../../../internal/rest.ts"
import { scrubber } from "../../../internal/restError.ts"
import * as Completion from "../completion.ts"
import { openAiPricing } from "../prices.ts"
import * as Protocol from "../protocol.ts"
import * as Responses from "../responses/protocol.ts"
import * as Batches from "./batches.ts"

export interface Options extends Protocol.Options {
  readonly model: string
  readonly dialect: DialectInput
  readonly requestTimeout: Duration.Input
}

export const make = (options: Options, fetch: typeof globalThis.fetch): LlmBatch.LlmBatch["Service"] => {
  const { api, apiKey, dialect, model, provider, requestTimeout } = options
  const { encode, headers, server } = Protocol.make(options)
  const read = api === "responses" ? Responses.fromJson : Completion.fromJson
  const { "content-type": _, ...common } = headers
  const rest = Rest.make({
    provider,
    baseUrl: options.baseUrl.replace(/\/+$/, ""),
    headers: common,
    scrub: scrubber(apiKey === undefined ? [] : [Redacted.value(apiKey)]),
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
      endpoint: `/v1${Protocol.pathOf(api)}`,
      rest,
      encode: (request) => encode(request, false),
      decode: (body, model) =>
        Result.mapError(
          read(body, {}, model, server, () => 0),
          (failure) => new LlmError({ provider, ...failure })
        )
    })
  })
}
