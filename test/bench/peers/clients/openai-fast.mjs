import { Effect, Scope } from "effect"
import { NodeFetch } from "effect-instructor/node"
import openai from "./openai.mjs"

export default (baseURL) => openai(baseURL, Effect.runSync(Scope.provide(NodeFetch.make(), Scope.makeUnsafe())))
