/** Repeats the provider's tests over a client of the SDK, so that both ways end in the same values and errors. */
import { Layer, Redacted } from "effect"
import { Llm } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { OpenAI } from "openai"
import { useProvider } from "../../support/simulated.ts"

useProvider((options) =>
  Layer.sync(Llm.Llm, () =>
    OpenAi.make(
      new OpenAI({
        apiKey: options.apiKey === undefined ? "none" : Redacted.value(options.apiKey),
        baseURL: options.baseUrl ?? OpenAi.defaultBaseUrl,
        organization: options.organization ?? null,
        project: options.project ?? null,
        adminAPIKey: null,
        webhookSecret: null,
        logLevel: "off",
        ...(options.headers !== undefined && { defaultHeaders: options.headers })
      }),
      options
    ))
)
await import("./OpenAi.completions.test.ts")
await import("./OpenAi.errors.test.ts")
await import("./OpenAi.requests.test.ts")
await import("./OpenAi.streams.test.ts")
