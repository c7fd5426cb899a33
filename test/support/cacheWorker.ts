/**
 * A process that extracts from some texts through a cache: `cacheWorker.ts <sqlite|redis|files> <target> <count>
 * <offset>`. Prints `halfway` after the first 30, and a report as JSON at the end.
 */
import { NodeRedis, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Llm, LlmCache, Usage } from "effect-instructor"
import { NodeLlmCache } from "effect-instructor/node"
import { Persistence } from "effect/persistence"

const [kind, target = "", count, offset] = process.argv.slice(2)

const store = kind === "sqlite"
  ? NodeLlmCache.layerSqlite({ path: target })
  : kind === "files"
  ? LlmCache.layerStoreFiles({ directory: target }).pipe(Layer.provide(NodeServices.layer))
  : Persistence.layerBackingRedis.pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))

let sent = 0
const provider = Layer.succeed(
  Llm.Llm,
  Llm.make({
    provider: "test",
    model: "m",
    complete: ({ messages, model }) =>
      Effect.sync(() => ({
        id: `${sent++}`,
        model,
        text: JSON.stringify({ echo: messages[1]!.content, padding: "x".repeat(5000) }),
        toolCalls: [],
        finishReason: "stop" as const,
        usage: Usage.zero
      })).pipe(Effect.delay("2 millis"))
  })
)

const echo = Extraction.make({ schema: Schema.Struct({ echo: Schema.String, padding: Schema.String }) })
const texts = Array.from({ length: Number(count) }, (_, i) => `text ${(i + Number(offset)) % Number(count)}`)

const program = Effect.gen(function*() {
  const items = yield* Batch.stream(echo, texts, { concurrency: 4 }).pipe(
    Stream.zipWithIndex,
    Stream.tap(([, i]) => i === 30 ? Console.log("halfway") : Effect.void),
    Stream.map(([item]) => item),
    Stream.runCollect
  )
  const right = items.filter(({ input, result }) => Result.isSuccess(result) && result.success.echo === input).length
  const { storeFailures } = yield* LlmCache.snapshot
  yield* Console.log(JSON.stringify({ sent, right, storeFailures }))
}).pipe(
  Effect.provide(
    LlmCache.layer({ store, capacity: 0, ...(kind === "redis" && { namespace: target }) }).pipe(Layer.provide(provider))
  )
)

await Effect.runPromise(program)
