/** OpenAI's SDK over HTTP to a simulator in this process. */
import { Effect, Layer } from "effect"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

type ClientOptions = Omit<OpenAi.Options, "baseUrl">

/** Behind a governor, as users have it. */
export const governed = (options: OpenAiSimulator.Options, client?: ClientOptions) =>
  connect(options, (baseUrl) => OpenAi.layer({ ...client, baseUrl }))

/** The provider alone: every failure shows. */
export const bare = (options: OpenAiSimulator.Options, client?: ClientOptions) =>
  connect(options, (baseUrl) => OpenAi.layerProvider({ ...client, baseUrl }))

/** What the SDK sends with: the built-in `fetch`, until another is chosen. */
const transport: { layer: Layer.Layer<never> } = { layer: Layer.empty }

export const useTransport = (layer: Layer.Layer<never>): void => {
  transport.layer = layer
}

const connect = <A, E>(options: OpenAiSimulator.Options, layer: (baseUrl: string) => Layer.Layer<A, E>) =>
  Layer.unwrap(Effect.map(OpenAiSimulator.OpenAiSimulator, ({ baseUrl }) => layer(baseUrl))).pipe(
    Layer.provide(transport.layer),
    Layer.provideMerge(OpenAiSimulator.layer(options))
  )

export const ledger = OpenAiSimulator.OpenAiSimulator.use((simulator) => simulator.ledger)
