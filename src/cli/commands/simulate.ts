/** `effect-instructor simulate`: a server to try things against. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Compiled from "../../extraction/internal/compiled.ts"
import * as OpenAiSimulator from "../../testing/simulators/OpenAiSimulator.ts"
import * as Asked from "../options/asked.ts"
import { usage } from "../commandFailure.ts"
import * as Flags from "../options/flags.ts"
import * as SampleAnswer from "./sampleAnswer.ts"

const flags = {
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port on 127.0.0.1 (default: one that is free)"),
    Flag.withDefault(0)
  ),
  rpm: Flags.count("rpm").pipe(
    Flag.withDescription("The requests let through in a minute (default: any number)"),
    Flags.optional
  ),
  tpm: Flags.count("tpm").pipe(
    Flag.withDescription("The tokens let through in a minute (default: any number)"),
    Flags.optional
  ),
  latency: Flags.duration("latency").pipe(
    Flag.withDescription("How long an answer takes (default 0s)"),
    Flag.withDefault(Duration.zero)
  ),
  schema: Flags.optional(Flags.schema)
}

export const simulate = Command.make(
  "simulate",
  flags,
  ({ latency, port, rpm, schema, tpm }) =>
    Effect.gen(function*() {
      const jsonSchema = schema === undefined ? undefined : (yield* Effect.mapError(
        Effect.flatMap(Asked.load({ schema }), (extraction) => Effect.fromResult(Compiled.make(extraction))),
        (error) => error._tag === "CommandFailure" ? error : usage(error.reason.message)
      )).output.jsonSchema
      const { baseUrl } = yield* Effect.mapError(
        OpenAiSimulator.make({
          port,
          latency,
          limits: { requestsPerMinute: rpm, tokensPerMinute: tpm },
          answer: (request) => SampleAnswer.make(request, jsonSchema)
        }),
        (error) => usage(`The simulator cannot listen on port ${port}: ${String(error.cause)}`)
      )
      yield* Console.error(
        `The simulator answers at ${baseUrl}\nUse it with OPENAI_BASE_URL=${baseUrl}, stop it with Ctrl-C`
      )
      return yield* Effect.never
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Serves OpenAI's Chat Completions on this machine, with made-up answers that fit the schema asked for"
  )
)
