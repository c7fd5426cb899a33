/** Repeats the provider's tests over `fetch`, as in browsers and runtimes other than Node. */
import { Transport } from "effect-instructor"
import { useTransport } from "../../support/simulated.ts"

useTransport(Transport.layerFetch())
await import("./OpenAi.completions.test.ts")
await import("./OpenAi.connections.test.ts")
await import("./OpenAi.errors.test.ts")
await import("./OpenAi.requests.test.ts")
await import("./OpenAi.secrets.test.ts")
await import("./OpenAi.streams.test.ts")
