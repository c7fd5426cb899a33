/** One of several processes that share limits: `node sharedProcess.ts <base URL> <Redis URL> <requests a minute> <count>` */
import { NodeRedis } from "@effect/platform-node"
import { Console, Effect, Layer, Logger } from "effect"
import { Llm, LlmGovernor } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { RateLimiter } from "effect/persistence"
import { request } from "./virtualServer.ts"

const [baseUrl, redisUrl, requestsPerMinute, count] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const llm = yield* Llm.Llm
  let done = 0
  let lost = 0
  yield* Effect.forEach(
    Array.from({ length: Number(count) }),
    () =>
      llm.complete(request(100, 50)).pipe(
        Effect.match({ onSuccess: () => done++, onFailure: () => lost++ })
      ),
    { concurrency: 64, discard: true }
  )
  const { rateLimited } = yield* LlmGovernor.snapshot
  yield* Console.log(JSON.stringify({ done, lost, rateLimited }))
}).pipe(
  Effect.provide(
    LlmGovernor.layerShared({ requestsPerMinute: Number(requestsPerMinute) }).pipe(
      Layer.provide([
        OpenAi.layerProvider({ baseUrl: baseUrl! }),
        RateLimiter.layerStoreRedis({ prefix: `effect-instructor:test:${baseUrl}:` }).pipe(
          Layer.provide(NodeRedis.layer({ url: redisUrl! }))
        )
      ])
    )
  ),
  Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatSimple)]))
)

await Effect.runPromise(program)
process.exit(0)
