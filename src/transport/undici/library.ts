/**
 * The parts of undici that are used. Its index also loads `fetch`, WebSockets and caches, which takes three times as long.
 */
import * as Result from "effect/Result"
import { createRequire } from "node:module"
import type { Client, EnvHttpProxyAgent } from "undici"

export interface Library {
  readonly Client: typeof Client
  readonly EnvHttpProxyAgent: () => typeof EnvHttpProxyAgent
}

/**
 * Loads undici where it is installed. A bundler does not follow this, so that a bundle does not get 170 kB for what it may
 * not need: without the package beside it, a bundled program sends through `fetch`, unless it names `NodeTransport`.
 */
export const load = (): Library | undefined =>
  Result.getOrUndefined(Result.try(() => {
    const require = createRequire(import.meta.url)
    const load = (file: string): unknown => require(`undici/lib/dispatcher/${file}.js`)
    return {
      Client: load("client") as typeof Client,
      EnvHttpProxyAgent: () => load("env-http-proxy-agent") as typeof EnvHttpProxyAgent
    }
  }))
