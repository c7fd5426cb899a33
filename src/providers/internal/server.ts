/** What every part of a provider knows about the server it talks to. */
import * as AiError from "effect/ai/AiError"
import { IncompleteResponseError, LlmError, type Reason } from "../../llm/LlmError.ts"
import type { Usage } from "../../llm/Usage.ts"
import type { Failure } from "../Protocol.ts"
import { hintFor, problemOf, publicUrl } from "./baseUrl.ts"
import type { LimitHeaders } from "./rateLimit.ts"
import type * as Secrets from "./secrets.ts"

export interface Server {
  /** The provider's name. */
  readonly provider: string
  /** The base URL, without credentials and query. */
  readonly origin: string
  /** The URL of the requests, without credentials and query. */
  readonly url: string
  /** Why no request can be sent, if none can. */
  readonly problem: Reason | undefined
  readonly state: State
  /** What to say where the base URL may be wrong. */
  readonly baseUrlHint: string
  readonly secrets: Secrets.Secrets
  /** The headers of its rate limits, if they are not OpenAI's. */
  readonly rateLimits?: ReadonlyArray<LimitHeaders> | undefined
}

/** What has been learned about a server. */
interface State {
  /** Whether it has answered any request with HTTP. */
  answered: boolean
  /** Whether it has been asked for TLS. */
  probed: boolean
}

export const make = (options: {
  readonly provider: string
  readonly baseUrl: string
  /** What follows the base URL in the URL of a request. */
  readonly path: string
  readonly secrets: Secrets.Secrets
}): Server => {
  const { baseUrl, provider, secrets } = options
  const origin = secrets.redact(publicUrl(baseUrl).replace(/\/$/, ""))
  const url = `${origin}${options.path}`
  return {
    provider,
    origin,
    url,
    problem: problemOf(baseUrl, url),
    state: { answered: false, probed: false },
    baseUrlHint: secrets.redact(hintFor(baseUrl)),
    secrets
  }
}

export const toError = ({ provider }: Server, failure: Failure): LlmError => new LlmError({ provider, ...failure })

export const incomplete = (description: string, { secrets, url }: Server, usage?: Usage): Failure => ({
  reason: new IncompleteResponseError({ description: `${secrets.scrub(description)} (POST ${url})` }),
  ...(usage !== undefined && { usage })
})

export const invalid = (problem: string, { baseUrlHint, url }: Server, usage?: Usage): Failure => ({
  reason: new AiError.InvalidResponseError({ description: `${problem} (POST ${url}). ${baseUrlHint}` }),
  ...(usage !== undefined && { usage })
})
