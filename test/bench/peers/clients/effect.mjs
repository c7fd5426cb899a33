import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, Schema, Stream } from "effect"
import { LanguageModel, OpenAiStructuredOutput, Prompt } from "effect/ai"
import { HttpClient, HttpClientRequest } from "effect/http"
import { instructions, model } from "./shared.mjs"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })

/** There is no provider package for Effect 4.1 yet: the least one can write over its own HTTP client on undici. */
const layer = (baseURL) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.flatMap(HttpClient.HttpClient, (client) =>
      LanguageModel.make({
        codecTransformer: OpenAiStructuredOutput.toCodecOpenAI,
        streamText: () => Stream.empty,
        generateText: ({ prompt, responseFormat }) =>
          HttpClientRequest.post(`${baseURL}/chat/completions`).pipe(
            HttpClientRequest.bearerToken("none"),
            HttpClientRequest.bodyJsonUnsafe({
              model,
              messages: prompt.content.map(({ content, role }) => ({
                role,
                content: typeof content === "string" ? content : content[0].text
              })),
              response_format: {
                type: "json_schema",
                json_schema: {
                  name: "Person",
                  strict: true,
                  schema: OpenAiStructuredOutput.toCodecOpenAI(responseFormat.schema).jsonSchema
                }
              }
            }),
            client.execute,
            Effect.flatMap((response) => response.json),
            Effect.map(({ choices }) => [{ type: "text", text: choices[0].message.content }]),
            Effect.orDie
          )
      }))
  ).pipe(Layer.provide(NodeHttpClient.layerUndici))

export default (baseURL) => {
  const runtime = ManagedRuntime.make(layer(baseURL))
  const ask = (text) =>
    Effect.map(
      LanguageModel.generateObject({
        prompt: Prompt.make([{ role: "system", content: instructions }, {
          role: "user",
          content: [{ type: "text", text }]
        }]),
        schema: Person,
        objectName: "Person"
      }),
      ({ value }) => value
    )
  return {
    all: (texts, concurrency, check) =>
      runtime.runPromise(
        Effect.forEach(texts, (text) => {
          const start = performance.now()
          return Effect.map(ask(text), (value) => check(text, value, start))
        }, { concurrency, discard: true })
      )
  }
}
