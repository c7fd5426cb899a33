/** What every part of the provider knows about the server it talks to. */
import { LlmError, type Reason } from "../../../llm/LlmError.ts"
import type { Usage } from "../../../llm/Usage.ts"
import type { Secrets } from "./secrets.ts"

export interface Context {
  /** The provider's name. */
  readonly provider: string
  /** The URL of the requests, without credentials and query. */
  readonly url: string
  /** Why no request can be sent, if none can. */
  readonly problem: Reason | undefined
  readonly server: ServerState
  /** What to say where the base URL may be wrong. */
  readonly baseUrlHint: string
  readonly secrets: Secrets
}

/** What has been learned about a server. */
interface ServerState {
  /** Whether it has answered any request with HTTP. */
  answered: boolean
  /** Whether it has been asked for TLS. */
  probed: boolean
}

export const fail = ({ provider }: Context, reason: Reason, usage?: Usage): LlmError =>
  new LlmError({ provider, reason, ...(usage !== undefined && { usage }) })
