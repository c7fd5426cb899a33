/** The transport of Node. It respects `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, also in lower case. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Transport } from "../Transport.ts"
import * as NodeConnections from "../undici/nodeTransport.ts"

export const make: Effect.Effect<Transport["Service"], never, Scope.Scope> = NodeConnections.makeTolerant
