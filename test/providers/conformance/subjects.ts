/** The providers that the conformance suite runs over, each with a server that speaks its API. */
import { Effect, Layer, Redacted } from "effect"
import type { Llm, LlmRequest } from "effect-instructor"
import { Anthropic } from "effect-instructor/anthropic"
import { Google } from "effect-instructor/google"
import { OpenAi } from "effect-instructor/openai"
import { AnthropicSimulator, GoogleSimulator, OpenAiSimulator } from "effect-instructor/testing/simulators"

/** A key that must appear nowhere. */
export const secret = "sk-test-secret-0123456789"

export interface Client {
  readonly apiKey?: string | undefined
  readonly requestTimeout?: string | undefined
}

interface Connection {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted
  readonly requestTimeout: "1 second" | undefined
}

export interface Subject {
  readonly name: string
  readonly modes: ReadonlyArray<LlmRequest.OutputMode>
  /** Whether the API tells a filtered answer from a refusal. */
  readonly filters: boolean
  /** Whether a tool call arrives in pieces. */
  readonly streamsTools: boolean
  /** Whether limits are reported with answers. */
  readonly reportsLimits: boolean
  /** Whether a prompt that is refused costs tokens of the cache and of thought that the API reports apart. */
  readonly start: (options: OpenAiSimulator.Options) => ReturnType<typeof OpenAiSimulator.make>
  readonly connect: (connection: Connection) => Layer.Layer<Llm.Llm>
}

export const subjects: ReadonlyArray<Subject> = [
  {
    name: "openai",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: true,
    streamsTools: true,
    reportsLimits: true,
    start: OpenAiSimulator.make,
    connect: (connection) => OpenAi.layerProvider(connection)
  },
  {
    name: "anthropic",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: false,
    streamsTools: true,
    reportsLimits: true,
    start: AnthropicSimulator.make,
    connect: (connection) => Anthropic.layerProvider(connection)
  },
  {
    name: "google",
    modes: ["json_schema", "tools", "json", "markdown"],
    filters: true,
    streamsTools: false,
    reportsLimits: false,
    start: GoogleSimulator.make,
    connect: (connection) => Google.layerProvider(connection)
  }
]

/** Runs an effect against a subject, and gives it the ledger of the server. */
export const against = (subject: Subject, options: OpenAiSimulator.Options, client?: { readonly timeout?: boolean }) =>
<A, E>(
  use: (ledger: Effect.Effect<OpenAiSimulator.Ledger>) => Effect.Effect<A, E, Llm.Llm>
): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    const { baseUrl, ledger } = yield* Effect.orDie(subject.start(options))
    const connection: Connection = {
      baseUrl,
      apiKey: Redacted.make(secret),
      requestTimeout: client?.timeout === true ? "1 second" : undefined
    }
    return yield* Effect.provide(use(ledger), subject.connect(connection))
  }).pipe(Effect.scoped)
