/** A backlog of requests on a virtual clock. */
import { Duration, Effect, Random } from "effect"
import { Llm, type LlmRequest } from "effect-instructor"
import type { Client } from "./clients.ts"
import * as VirtualServer from "./virtualServer.ts"
import * as VirtualTime from "./virtualTime.ts"

export interface Scenario {
  readonly minutes: number
  /** How many requests are made at the same time. */
  readonly callers: number
  readonly server: VirtualServer.Options
  readonly request: (random: () => number) => LlmRequest.LlmRequest
  /** How many requests there are in all. Unlimited by default. */
  readonly items?: number | undefined
  /** What else happens to the server, as the seconds pass. */
  readonly besides?:
    | ((server: ReturnType<typeof VirtualServer.make>, second: number) => Effect.Effect<void>)
    | undefined
}

export interface Outcome {
  /** CPU time of the whole simulation per request that reached the server, in microseconds. */
  readonly cpuMicros: number
  readonly done: number
  readonly lost: number
  readonly seconds: ReadonlyArray<VirtualServer.Second>
  readonly maxInFlight: number
}

export const run = (scenario: Scenario, client: Client): Outcome => {
  const before = process.cpuUsage()
  const outcome = simulate(scenario, client)
  const { system, user } = process.cpuUsage(before)
  const seen = outcome.seconds.reduce((sum, second) => sum + second.granted + second.refused + second.turnedAway, 0)
  return { ...outcome, cpuMicros: (system + user) / seen }
}

const simulate = (scenario: Scenario, client: Client): Omit<Outcome, "cpuMicros"> =>
  VirtualTime.run(
    Effect.gen(function*() {
      const random = VirtualServer.makeRandom(7)
      const server = VirtualServer.make(scenario.server)
      const now = Effect.clockWith((clock) => clock.currentTimeMillis)
      const end = (yield* now) + scenario.minutes * 60_000
      let left = scenario.items ?? Infinity
      let done = 0
      let lost = 0
      const work = Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const caller = Effect.gen(function*() {
          while (left-- > 0 && (yield* now) < end) {
            const result = yield* Effect.result(llm.complete(scenario.request(random)))
            if (result._tag === "Success") done++
            else lost++
          }
        })
        yield* Effect.forEach(Array.from({ length: scenario.callers }), () => caller, {
          concurrency: "unbounded",
          discard: true
        })
      }).pipe(Effect.provide(client(server.llm, scenario.callers)))
      const besides = Effect.gen(function*() {
        for (let tick = 0;; tick++) {
          yield* Effect.sleep("100 millis")
          yield* scenario.besides?.(server, tick / 10) ?? Effect.void
        }
      })
      yield* Effect.raceFirst(
        work,
        Effect.raceFirst(besides, Effect.sleep(Duration.minutes(scenario.minutes)))
      )
      return { done, lost, seconds: server.seconds, maxInFlight: server.maxInFlight() }
    }).pipe(Random.withSeed("governor"))
  )

export const sum = (
  { seconds }: Pick<Outcome, "seconds">,
  field: keyof VirtualServer.Second,
  from: number,
  to: number = Infinity
): number => seconds.slice(from, to).reduce((sum, second) => sum + second[field], 0)
