/** A cache in Redis that machines share. Set REDIS_URL. Without a Redis, the cache logs a warning and sends everything. */
import { NodeRedis, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Schema } from "effect"
import { Batch, Extraction, LlmCache } from "effect-instructor"
import { Persistence } from "effect/persistence"
import * as Support from "./support.ts"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })

const texts = ["My name is John and I am 30 years old", "Her name is Maria and she is 25"]

const store = Persistence.layerBackingRedis.pipe(
  Layer.provide(NodeRedis.layerConfig({
    url: Config.String("REDIS_URL").pipe(Config.withDefault("redis://127.0.0.1:6379"))
  }))
)

const run = (worker: string) =>
  Effect.gen(function*() {
    yield* Batch.all(person, texts, { concurrency: 2 })
    const { hits, misses } = yield* LlmCache.snapshot
    yield* Console.log(`${worker}: ${misses} sent, ${hits} from the cache`)
  }).pipe(
    Effect.provide(LlmCache.layer({ store, namespace: `people-${process.pid}`, timeToLive: "10 seconds" }))
  )

NodeRuntime.runMain(Effect.andThen(run("one worker"), run("another worker")).pipe(Effect.provide(Support.layer)))
