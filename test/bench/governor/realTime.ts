/** End to end: the provider, HTTP, the simulator with its limits, and real time. */
import { Effect, Layer } from "effect"
import { Llm } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { request } from "./virtualServer.ts"

const requestsPerMinute = 1200
const seconds = 60
/** The time until answers arrive as fast as requests are sent. */
const lead = 5

export const runReal = Effect.gen(function*() {
  const simulator = yield* OpenAiSimulator.make({
    answer: () => ({}),
    latency: "800 millis",
    limits: { requestsPerMinute, tokensPerMinute: 10_000_000 },
    keep: 1
  })
  const llm = yield* Layer.build(
    OpenAi.layer({ baseUrl: simulator.baseUrl, governor: { requestsPerMinute } })
  )
  let lost = 0
  const one = Llm.Llm.use((llm) => llm.complete(request(100, 50))).pipe(
    Effect.catch(() => Effect.sync(() => lost++)),
    Effect.provideContext(llm)
  )
  const callers = Effect.forEach(Array.from({ length: 64 }), () => Effect.forever(one), {
    concurrency: "unbounded",
    discard: true
  })
  const counted = Effect.gen(function*() {
    yield* Effect.sleep(`${lead} seconds`)
    const before = yield* simulator.ledger
    const start = performance.now()
    yield* Effect.sleep(`${seconds} seconds`)
    const after = yield* simulator.ledger
    const minutes = (performance.now() - start) / 60_000
    return { use: (after.granted - before.granted) / minutes / requestsPerMinute, refused: after.refused, lost }
  })
  return yield* Effect.raceFirst(Effect.andThen(callers, Effect.never), counted)
}).pipe(Effect.scoped)
