/** The model of the examples: OpenAI's if there is a key, and otherwise a simulator in the same process. */
import { Config, Console, Effect, Layer, Option } from "effect"
import { OpenAi } from "effect-instructor/openai"
import { Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

/** Finds people in a text well enough for these examples, with ages that are not always correct at first. */
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

/** Every name that is followed by a number. */
const everyone = (source: string) =>
  Array.from(source.matchAll(/(\p{Lu}\p{L}+),(?: aged)? (\d+)/gu), ([, name, age]) => ({
    name: name!,
    age: Number(age)
  }))

const simulated = Layer.unwrap(Effect.as(
  Console.error("No OPENAI_API_KEY: the answers come from a simulator, over HTTP."),
  OpenAiSimulator.layerLlm({ answer: model, latency: "200 millis", chunkDelay: "20 millis" })
)).pipe(Layer.orDie)

export const layer = Layer.unwrap(Effect.gen(function*() {
  const key = yield* Config.option(Config.Redacted("OPENAI_API_KEY"))
  return Option.isSome(key) ? OpenAi.layerConfig() : simulated
}))
