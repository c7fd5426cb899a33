/** The transport of browsers and of runtimes other than Node. */
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import type * as Scope from "effect/Scope"
import * as FetchTransport from "../internal/fetchTransport.ts"
import type { Transport } from "../Transport.ts"

export const make: Effect.Effect<Transport["Service"], never, Scope.Scope> = Effect.map(
  Fetch,
  (fetch) => FetchTransport.make(fetch, undefined)
)
