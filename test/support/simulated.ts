/** This library over HTTP to a simulator in the same process. */
import { Layer } from "effect"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

type ClientOptions = Omit<OpenAi.Options, "baseUrl">

/** Behind a governor, as users have it. */
export const governed = (options: OpenAiSimulator.Options, client?: ClientOptions) =>
  OpenAiSimulator.layerLlm({
    ...options,
    connect: (baseUrl) => withTransport(OpenAi.layer({ ...client, baseUrl }))
  })

/** The provider alone, which does not retry. */
export const bare = (options: OpenAiSimulator.Options, client?: ClientOptions) =>
  OpenAiSimulator.layerLlm({
    ...options,
    connect: (baseUrl) => withTransport(OpenAi.layerProvider({ ...client, baseUrl }))
  })

/** The transport of the SDK: the built-in `fetch`, unless a test file chooses another. */
const transport: { layer: Layer.Layer<never> } = { layer: Layer.empty }

export const useTransport = (layer: Layer.Layer<never>): void => {
  transport.layer = layer
}

export const withTransport = <A, E>(layer: Layer.Layer<A, E>): Layer.Layer<A, E> =>
  Layer.provide(layer, transport.layer)

export const ledger = OpenAiSimulator.OpenAiSimulator.use((simulator) => simulator.ledger)
