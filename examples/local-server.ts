/** A compatible server of your own: Ollama, vLLM, llama.cpp. Set OPENAI_BASE_URL, and OPENAI_MODEL to one it has. */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Option, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { NodeFetch } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const city = Extraction.make({
  schema: Schema.Struct({ city: Schema.String, country: Schema.optionalKey(Schema.String) }),
  // What small local models follow best: the schema in the prompt, the answer as a JSON object.
  mode: "json",
  timeout: "2 minutes"
})

const standIn = OpenAiSimulator.layer({ answer: () => ({ city: "Lyon", country: "France" }) })

/** A local server needs no key; without one to talk to, a simulator stands in for it. */
const local = Layer.unwrap(Effect.gen(function*() {
  const baseUrl = yield* Config.option(Config.NonEmptyString("OPENAI_BASE_URL"))
  if (Option.isSome(baseUrl)) return OpenAi.layerConfig({ provider: "local" })
  yield* Console.error("No OPENAI_BASE_URL: the answers come from a simulator, over HTTP, through the openai SDK.")
  return Layer.unwrap(
    Effect.map(OpenAiSimulator.OpenAiSimulator, ({ baseUrl }) => OpenAi.layer({ baseUrl, model: "local" }))
  ).pipe(Layer.provide(standIn), Layer.orDie)
})).pipe(Layer.provide(NodeFetch.layer()))

const program = Effect.gen(function*() {
  const { city: name, country } = yield* Extraction.extract(city, "The silk weavers of the Croix-Rousse in Lyon")
  yield* Console.log(`${name}, ${country ?? "somewhere"}`)
})

NodeRuntime.runMain(Effect.provide(program, local))
