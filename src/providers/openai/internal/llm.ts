/** The `Llm` of one of OpenAI's APIs. */
import type * as Duration from "effect/Duration"
import type * as Llm from "../../../llm/Llm.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import type { Pricing } from "../../../llm/Pricing.ts"
import type { DialectInput } from "../../../schema/dialects/builtIn.ts"
import type * as Transport from "../../../transport/Transport.ts"
import * as ProtocolLlm from "../../internal/protocolLlm.ts"
import type { Protocol } from "../../Protocol.ts"
import { openAiPricing } from "./prices.ts"
import type { Api } from "./protocol.ts"
import * as Responses from "./responses/request.ts"
import type { Traits } from "./traits.ts"

interface Options {
  readonly api?: Api | undefined
  readonly model: string
  readonly dialect?: DialectInput | undefined
  readonly pricing?: Pricing | undefined
  readonly requestTimeout?: Duration.Input | undefined
  readonly traits?: Traits | undefined
}

export const make = (
  protocol: Protocol,
  transport: Transport.Transport["Service"],
  { api, dialect = "openai", model, pricing = openAiPricing, requestTimeout, traits }: Options
): Llm.Llm["Service"] =>
  ProtocolLlm.make(protocol, transport, {
    model,
    dialect,
    pricing,
    requestTimeout,
    dropped: api === "responses" ? Responses.dropped : droppedBy(traits)
  })

/** The parameters of a request that a server does not take. */
const droppedBy = (traits: Traits | undefined): ((request: LlmRequest) => ReadonlyArray<string>) | undefined => {
  const drops = traits?.drops
  return drops === undefined
    ? undefined
    : ({ parameters }) => drops.filter((name) => parameters[name] !== undefined)
}
