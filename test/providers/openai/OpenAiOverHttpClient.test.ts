/** Repeats the provider's tests over Effect's `HttpClient`. */
import { Layer } from "effect"
import { Transport } from "effect-instructor"
import { FetchHttpClient } from "effect/http"
import { useTransport } from "../../support/simulated.ts"

useTransport(Layer.provide(Transport.layerHttpClient(), FetchHttpClient.layer))
await import("./OpenAi.completions.test.ts")
await import("./OpenAi.errors.test.ts")
await import("./OpenAi.streams.test.ts")
