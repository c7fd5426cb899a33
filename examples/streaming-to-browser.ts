/**
 * Streams people to a web page: the server sends each person as a server-sent event, and aborts the request to the model
 * when the page is closed. Run `streaming-to-browser.ts [port]`, then open the URL that it prints.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stdio, Stream } from "effect"
import { Extraction, ExtractionStream, type Llm } from "effect-instructor"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import * as Support from "./support.ts"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }), name: "person" })

const text = "Meet Sarah, 38. This is Alex, 42. A man named Michael, aged 45. Her name is Maria, 25."

const event = (name: string, data: Schema.Json): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

const people = ExtractionStream.values(person, text).pipe(
  Stream.map((person) => event("person", person)),
  Stream.concat(Stream.succeed(event("end", null))),
  Stream.catch((error) => Stream.succeed(event("failure", error.message))),
  Stream.encodeText
)

const routes = HttpRouter.use((router) =>
  Effect.gen(function*() {
    const llm = yield* Effect.context<Llm.Llm>()
    yield* router.add("GET", "/", HttpServerResponse.file(`${import.meta.dirname}/people.html`))
    yield* router.add(
      "GET",
      "/people",
      HttpServerResponse.stream(Stream.provideContext(people, llm), { contentType: "text/event-stream" })
    )
  })
)

const logUrl = HttpServer.HttpServer.use(({ address }) => Console.log(HttpServer.formatAddress(address)))

const program = Effect.gen(function*() {
  const [port] = yield* Stdio.Stdio.use((stdio) => stdio.args)
  yield* HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.merge(Layer.effectDiscard(logUrl)),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: Number(port ?? 3000) })),
    Layer.provide(Support.layer),
    Layer.launch
  )
})

NodeRuntime.runMain(program.pipe(Effect.provide(NodeHttpServer.layerHttpServices)))
