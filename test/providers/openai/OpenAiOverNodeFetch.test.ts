/** Repeats the provider's tests over the Node transport. */
import { Layer } from "effect"
import { NodeFetch } from "effect-instructor/node"
import { useTransport } from "../../support/simulated.ts"

useTransport(Layer.orDie(NodeFetch.layer()))
await import("./OpenAi.completions.test.ts")
await import("./OpenAi.connections.test.ts")
await import("./OpenAi.errors.test.ts")
await import("./OpenAi.layers.test.ts")
await import("./OpenAi.requests.test.ts")
await import("./OpenAi.secrets.test.ts")
await import("./OpenAi.streams.test.ts")
