/** The providers with batches, each with a server that speaks its API. */
import { Layer } from "effect"
import { Anthropic } from "effect-instructor/anthropic"
import { OpenAi } from "effect-instructor/openai"
import { AnthropicSimulator, OpenAiSimulator } from "effect-instructor/testing/simulators"
import type { Subject } from "./suite.ts"

const openAi: Subject = {
  name: "OpenAI",
  start: OpenAiSimulator.make,
  connect: (connection) => Layer.merge(OpenAi.layerBatch(connection), OpenAi.layer(connection))
}

const anthropic: Subject = {
  name: "Anthropic",
  start: AnthropicSimulator.make,
  connect: (connection) => Layer.merge(Anthropic.layerBatch(connection), Anthropic.layer(connection))
}

export const subjects: ReadonlyArray<Subject> = [openAi, anthropic]
