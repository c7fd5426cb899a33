/**
 * `npm run bench:cache [items]`: measures a batch that runs twice through a cache, in front of a simulated server with a
 * latency of 250 ms, and the CPU time of a single hit in memory. Prints the results.
 */
import { Console, Effect, Layer, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Llm, LlmCache, type LlmRequest, Usage } from "effect-instructor"
import { NodeLlmCache } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const count = Number(process.argv[2] ?? 10_000)
const concurrency = 100
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-instructor-bench-"))

const echo = Extraction.make({ schema: Schema.Struct({ echo: Schema.String, length: Schema.Int }) })
const texts = Array.from({ length: count }, (_, i) => `text ${i} ${"and so on ".repeat(40)}`)

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const cpu = process.cpuUsage()
    const start = performance.now()
    const value = yield* effect
    const { system, user } = process.cpuUsage(cpu)
    return { value, seconds: (performance.now() - start) / 1000, cpuSeconds: (system + user) / 1e6 }
  })

const run = timed(
  Batch.stream(echo, texts, { concurrency }).pipe(
    Stream.filter(({ input, result }) => Result.isSuccess(result) && result.success.echo === input),
    Stream.runCount
  )
)

const runs = Effect.gen(function*() {
  const simulator = yield* OpenAiSimulator.OpenAiSimulator
  const sent = Effect.map(simulator.ledger, ({ requests }) => requests)
  const cache = (name: string) =>
    LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: path.join(folder, name) }) }).pipe(
      Layer.provide(OpenAi.layer({ baseUrl: simulator.baseUrl }))
    )
  const report = (name: string, first: number, result: Effect.Success<typeof run>, requests: number) =>
    Console.log(
      `${name.padEnd(34)} ${result.seconds.toFixed(2).padStart(7)} s  CPU ${
        result.cpuSeconds.toFixed(2).padStart(6)
      } s  ` +
        `${String(requests).padStart(6)} requests  ${result.value} right  ${(first / result.seconds).toFixed(1)}x`
    )
  const first = yield* Effect.gen(function*() {
    const first = yield* run
    yield* report("first run", first.seconds, first, yield* sent)
    const second = yield* run
    yield* report("again, from memory", first.seconds, second, (yield* sent) - count)
    return first
  }).pipe(Effect.provide(cache("answers.sqlite")))
  const third = yield* Effect.provide(run, cache("answers.sqlite"))
  yield* report("again, from SQLite (memory empty)", first.seconds, third, (yield* sent) - count)
}).pipe(
  Effect.provide(OpenAiSimulator.layer({
    latency: "250 millis",
    answer: ({ text }) => ({ echo: text, length: text.length })
  }))
)

const hits = Effect.gen(function*() {
  const llm = yield* Llm.Llm
  const bare = yield* Llm.Llm.pipe(Effect.provide(provider))
  for (const size of [200, 2000, 10_000]) {
    const requests = Array.from(
      { length: 1000 },
      (_, i): LlmRequest.LlmRequest =>
        Result.getOrThrow(Extraction.toRequest(echo, `${i} ${"x".repeat(size)}`, { model: "m" }))
    )
    const loop = (llm: Llm.Llm["Service"]) =>
      timed(Effect.gen(function*() {
        for (let round = 0; round < 20; round++) for (const request of requests) yield* llm.complete(request)
      }))
    yield* loop(llm)
    const through = yield* loop(llm)
    const without = yield* loop(bare)
    const micros = (cpuSeconds: number) => (cpuSeconds * 1e6 / 20_000).toFixed(1)
    yield* Console.log(
      `a hit in memory, ${String(size).padStart(6)} characters: ${micros(through.cpuSeconds)} us of CPU ` +
        `(${micros(without.cpuSeconds)} us without a cache, from a provider that does nothing)`
    )
  }
  const { hits, misses } = yield* LlmCache.snapshot
  yield* Console.log(`${hits} hits, ${misses} misses`)
})

const provider = Layer.succeed(
  Llm.Llm,
  Llm.make({
    provider: "test",
    model: "m",
    complete: () =>
      Effect.succeed({ id: "", model: "m", text: "{}", toolCalls: [], finishReason: "stop", usage: Usage.zero })
  })
)

await Effect.runPromise(
  Effect.andThen(hits.pipe(Effect.provide(Layer.provide(LlmCache.layer(), provider))), runs).pipe(
    Effect.ensuring(Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true })))
  )
)
