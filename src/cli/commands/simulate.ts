/** `effect-instructor simulate`: a local server for trying things out. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Extraction from "../../extraction/Extraction.ts"
import * as AnthropicSimulator from "../../testing/simulators/AnthropicSimulator.ts"
import * as GoogleSimulator from "../../testing/simulators/GoogleSimulator.ts"
import * as OpenAiSimulator from "../../testing/simulators/OpenAiSimulator.ts"
import { usage } from "../commandFailure.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as SampleAnswer from "../simulation/sampleAnswer.ts"

const flags = {
  provider: Flag.Literals("provider", ["openai", "anthropic", "google"]).pipe(
    Flag.withDescription("The API to speak (default openai)"),
    Flag.withDefault("openai" as const)
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port on 127.0.0.1 (default: any free port)"),
    Flag.withDefault(0)
  ),
  rpm: Flags.count("rpm").pipe(
    Flag.withDescription("Limit of requests per minute (default unlimited)"),
    Flags.optional
  ),
  tpm: Flags.count("tpm").pipe(
    Flag.withDescription("Limit of tokens per minute (default unlimited)"),
    Flags.optional
  ),
  latency: Flags.duration("latency").pipe(
    Flag.withDescription("How long an answer takes (default 0s)"),
    Flag.withDefault(Duration.zero)
  ),
  schema: Flags.optional(Flags.schema)
}

const simulators = { openai: OpenAiSimulator, anthropic: AnthropicSimulator, google: GoogleSimulator } as const

export const simulate = Command.make(
  "simulate",
  flags,
  ({ latency, port, provider, rpm, schema, tpm }) =>
    Effect.gen(function*() {
      const jsonSchema = schema === undefined ? undefined : yield* jsonSchemaOf(schema)
      const { baseUrl } = yield* Effect.mapError(
        simulators[provider].make({
          port,
          latency,
          limits: { requestsPerMinute: rpm, tokensPerMinute: tpm },
          answer: (request) => SampleAnswer.make(request, jsonSchema)
        }),
        (error) => usage(`The simulator cannot listen on port ${port}: ${String(error.cause)}`)
      )
      yield* Console.error(
        `The simulator listens at ${baseUrl}\nUse it with ${provider.toUpperCase()}_BASE_URL=${baseUrl}\nPress Ctrl-C to stop it`
      )
      return yield* Effect.never
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Serve the API of OpenAI, Anthropic or Google locally, with made-up answers that match the requested schema"
  )
)

const jsonSchemaOf = (schema: string) =>
  Effect.flatMap(ExtractionOptions.load({ schema }), (extraction) =>
    Effect.mapError(
      Effect.fromResult(Extraction.jsonSchema(extraction)),
      ({ reason }) => usage(reason.message)
    ))
