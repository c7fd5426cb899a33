/** Task: test an extraction over HTTP, against a local server that speaks OpenAI's protocol. */
import { Effect, Layer, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const model = Layer.orDie(OpenAiSimulator.layerLlm({ answer: ({ text }) => ({ length: text.length }) }))

export const solution = Extraction.extractDetailed(Schema.Struct({ length: Schema.Int }), "four").pipe(
  Effect.map(({ attempts, value }) => ({ ...value, attempts })),
  Effect.provide(model)
)

export const expected = { length: 4, attempts: 1 }
