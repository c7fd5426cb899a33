/** The transport of Node. It respects `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, also in lower case. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Transport } from "../Transport.ts"
import { load } from "../undici/library.ts"
import { makeTolerant } from "../undici/nodeTransport.ts"
import { make as makeDefault } from "./default.ts"

export const make: Effect.Effect<Transport["Service"], never, Scope.Scope> = Effect.suspend(() => {
  const library = load()
  return library === undefined ? makeDefault : makeTolerant(library)
})
