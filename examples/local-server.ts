/** A local server (Ollama, vLLM, llama.cpp). Set OPENAI_BASE_URL to its URL and OPENAI_MODEL to one of its models. */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Option, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const city = Extraction.make({
  schema: Schema.Struct({ city: Schema.String, country: Schema.optionalKey(Schema.String) }),
  // Small local models follow this mode best: the schema is in the prompt, the answer is a JSON object.
  mode: "json",
  timeout: "2 minutes"
})

const simulated = OpenAiSimulator.layerLlm({
  answer: () => ({ city: "Lyon", country: "France" }),
  connect: (baseUrl) => OpenAi.layer({ baseUrl, model: "local", dialect: "plain" })
})

/** The server at OPENAI_BASE_URL, which needs no key, or a simulator if there is none. */
const local = Layer.unwrap(Effect.gen(function*() {
  const baseUrl = yield* Config.option(Config.NonEmptyString("OPENAI_BASE_URL"))
  if (Option.isSome(baseUrl)) return OpenAi.layerConfig({ provider: "local", dialect: "plain" })
  yield* Console.error("No OPENAI_BASE_URL: the answers come from a simulator, over HTTP.")
  return Layer.orDie(simulated)
}))

const program = Effect.gen(function*() {
  const { city: name, country } = yield* Extraction.extract(city, "The silk weavers of the Croix-Rousse in Lyon")
  yield* Console.log(`${name}, ${country ?? "somewhere"}`)
})

NodeRuntime.runMain(Effect.provide(program, local))
