/** Where the examples get their model: OpenAI when there is a key, and otherwise a simulator in the same process. */
import { Config, Console, Effect, Layer, Option } from "effect"
import { NodeFetch } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

/** Reads people out of a text well enough for these examples, and their ages not always right the first time. */
const model: OpenAiSimulator.Answer = ({ body, text }) => {
  const messages = body["messages"] as ReadonlyArray<{ readonly content: string }>
  const source = messages[1]!.content
  if (JSON.stringify(body["response_format"]).includes("\"items\"")) return { items: everyone(source) }
  if (/confidential/i.test(source)) return Reply.refusal("This text is marked confidential, so I will not process it.")
  const name = /(?:name is|named|called|I am|I'm|This is|Meet) (\p{Lu}[\p{L}-]+)/u.exec(source)?.[1]
  const age = /\b(\d{1,3})\b/.exec(source)?.[1]
  const asked = text !== source
  const inYears = source.includes("in months") && asked ? Number(age) / 12 : Number(age)
  return { name: name ?? null, age: age === undefined ? null : inYears }
}

/** Everyone who is named before a number. */
const everyone = (source: string) =>
  Array.from(source.matchAll(/(\p{Lu}\p{L}+),(?: aged)? (\d+)/gu), ([, name, age]) => ({
    name: name!,
    age: Number(age)
  }))

const simulated = Layer.unwrap(Effect.gen(function*() {
  const { baseUrl } = yield* OpenAiSimulator.OpenAiSimulator
  yield* Console.error("No OPENAI_API_KEY: the answers come from a simulator, over HTTP, through the openai SDK.")
  return OpenAi.layer({ baseUrl })
})).pipe(
  Layer.provide(OpenAiSimulator.layer({ answer: model, latency: "200 millis", chunkDelay: "20 millis" })),
  Layer.orDie
)

export const layer = Layer.unwrap(Effect.gen(function*() {
  const key = yield* Config.option(Config.Redacted("OPENAI_API_KEY"))
  return Option.isSome(key) ? OpenAi.layerConfig() : simulated
})).pipe(Layer.provide(NodeFetch.layer()))
