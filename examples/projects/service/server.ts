/** A service: `POST /people` with a text answers with the person in it. PORT is the port, any free one by default. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

const person = Extraction.make({
  schema: Schema.Struct({ name: Schema.String, age: Schema.Int }),
  timeout: "20 seconds"
})

const Routes = HttpRouter.add(
  "POST",
  "/people",
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    return yield* Extraction.extract(person, yield* request.text).pipe(
      Effect.flatMap((value) => HttpServerResponse.json(value)),
      Effect.catchTag(
        "ExtractionError",
        ({ reason }) => HttpServerResponse.json({ error: reason._tag }, { status: 422 })
      )
    )
  })
)

const Server = Layer.unwrap(
  Effect.map(
    Config.Int("PORT").pipe(Config.withDefault(0)),
    (port) => NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port })
  )
)

NodeRuntime.runMain(
  Layer.launch(HttpRouter.serve(Routes, { disableLogger: true }).pipe(Layer.provide([Server, OpenAi.layerConfig()])))
)
