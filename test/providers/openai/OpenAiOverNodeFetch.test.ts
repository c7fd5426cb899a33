/** Everything the provider does, it does over the Node transport too. */
import { Layer } from "effect"
import { NodeFetch } from "effect-instructor/node"
import { useTransport } from "../../support/simulated.ts"

useTransport(Layer.orDie(NodeFetch.layer()))
await import("./OpenAi.test.ts")
