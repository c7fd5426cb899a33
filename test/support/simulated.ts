/** This library over HTTP to a simulator in the same process. */
import { Layer } from "effect"
import { Transport } from "effect-instructor"
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
    connect: (baseUrl) => connect({ ...client, baseUrl })
  })

/** The provider of any server. */
export const connect = (options: OpenAi.ClientOptions) => withTransport(provider.layer(options))

/** Requests that are sent by the library itself, unless a test file chooses a client of the SDK. */
const provider = { layer: OpenAi.layerProvider }

export const useProvider = (layer: typeof OpenAi.layerProvider): void => {
  provider.layer = layer
}

/** The transport of the platform, unless a test file chooses another. */
const transport: { layer: Layer.Layer<Transport.Transport> } = { layer: Transport.layer }

export const useTransport = (layer: Layer.Layer<Transport.Transport>): void => {
  transport.layer = layer
}

export const withTransport = <A, E>(layer: Layer.Layer<A, E>): Layer.Layer<A, E> =>
  Layer.provide(layer, transport.layer)

export const ledger = OpenAiSimulator.OpenAiSimulator.use((simulator) => simulator.ledger)
