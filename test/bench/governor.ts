/**
 * `npm run bench:governor`: the governor and common alternatives against the simulator's limiter. Long scenarios run on a
 * virtual clock, with the same seed for every client. `--real` adds one over HTTP in real time, and `--redis` two
 * processes on one Redis (it starts a `redis-server`). Prints a table and whether each figure holds, and fails if one
 * does not.
 */
import { Context, Duration, Effect, Layer } from "effect"
import { Llm, LlmGovernor, Usage } from "effect-instructor"
import * as Clients from "./governor/clients.ts"
import * as Scenario from "./governor/scenario.ts"
import * as VirtualServer from "./governor/virtualServer.ts"

const limits: VirtualServer.Limits = { requestsPerMinute: 5000, tokensPerMinute: 2_000_000 }
const twice: VirtualServer.Limits = { requestsPerMinute: 10_000, tokensPerMinute: 4_000_000 }
const half: VirtualServer.Limits = { requestsPerMinute: 2500, tokensPerMinute: 1_000_000 }
const quantised: VirtualServer.Limits = { requestsPerMinute: 600, quantised: true }

/** About two seconds, with a long tail. */
const server = (options: Partial<VirtualServer.Options>): VirtualServer.Options => {
  const random = VirtualServer.makeRandom(42)
  return {
    latencyMillis: () => 1200 + 1600 * random() ** 3 + 800 * random(),
    outputTokens: () => 60 + Math.floor(120 * random()),
    ...options
  }
}

const small = (random: () => number) => VirtualServer.request(50 + 100 * random(), 100)
const medium = () => VirtualServer.request(500, 512)
/** From 10 to 8,000 tokens, as many of each magnitude. */
const mixed = (random: () => number) => VirtualServer.request(10 * 800 ** random(), 200)

/** Requests of other clients, in bursts of all sizes. */
const othersUse = (share: number, from = 0): Scenario.Scenario["besides"] => {
  const random = VirtualServer.makeRandom(3)
  return (server, second) =>
    second < from ? Effect.void : server.consume({
      requests: 5000 / 600 * share * 2 * random(),
      tokens: 2_000_000 / 600 * share * 2 * random()
    })
}

const changed = (at: number, to: VirtualServer.Limits): Scenario.Scenario["besides"] => (server, second) =>
  second === at ? Effect.sync(() => server.setLimits(to)) : Effect.void

let missed = 0
const check = (holds: boolean, what: string): void => {
  if (!holds) missed++
  console.log(`    ${holds ? "holds " : "MISSED"}  ${what}`)
}

interface Measured {
  readonly use: number
  readonly refused: number
  readonly outcome: Scenario.Outcome
}

const measure = (
  scenario: Scenario.Scenario,
  client: Clients.Client,
  { capacity, from, name, unit }: {
    readonly name: string
    readonly capacity: number
    readonly unit: "granted" | "tokens"
    readonly from: number
  }
): Measured => {
  const outcome = Scenario.run(scenario, client)
  const to = scenario.minutes * 60
  const use = Scenario.sum(outcome, unit, from, to) / ((to - from) / 60) / capacity
  const refused = Scenario.sum(outcome, "refused", from, to)
  const succeeded = Scenario.sum(outcome, "granted", from, to)
  console.log([
    name.padEnd(44),
    `${(100 * use).toFixed(1)} %`.padStart(8),
    String(Scenario.sum(outcome, "refused", 0)).padStart(7),
    (1000 * refused / Math.max(1, succeeded)).toFixed(2).padStart(9),
    String(outcome.done).padStart(7),
    String(outcome.lost).padStart(7)
  ].join(" "))
  return { use, refused: refused / Math.max(1, succeeded), outcome }
}

const head = (title: string): void => {
  console.log(`\n${title}`)
  console.log(
    `${"".padEnd(44)} ${"of limit".padStart(8)} ${"429s".padStart(7)} ${"per 1,000".padStart(9)} ${
      "done".padStart(7)
    } ${"lost".padStart(7)}`
  )
}

const base = { minutes: 6, callers: 500 }

head("Limits known, 6 minutes, steady state from the 2nd")
for (
  const [name, given, request, capacity, unit, real = given] of [
    ["bound by requests", limits, small, 5000, "granted"],
    ["bound by requests, no headers", limits, small, 5000, "granted", { ...limits, headers: false }],
    ["bound by tokens", limits, medium, 2_000_000, "tokens"],
    ["bound by tokens, no headers", limits, medium, 2_000_000, "tokens", { ...limits, headers: false }],
    ["10 to 8,000 tokens", limits, mixed, 2_000_000, "tokens"],
    ["10 to 8,000, server counts 1.4 times ours", limits, mixed, 2_000_000, "tokens", { ...limits, tokenRatio: 1.4 }],
    ["10 to 8,000, server counts 0.7 times ours", limits, mixed, 2_000_000, "tokens", { ...limits, tokenRatio: 0.7 }],
    ["600 a minute as 10 a second", quantised, small, 600, "granted"],
    ["600 a minute as 10 a second, discovered", {}, small, 600, "granted", quantised],
    ["10 to 8,000 tokens, discovered", {}, mixed, 2_000_000, "tokens", limits]
  ] as ReadonlyArray<
    readonly [
      string,
      VirtualServer.Limits,
      Scenario.Scenario["request"],
      number,
      "granted" | "tokens",
      (VirtualServer.Limits & { readonly headers?: boolean; readonly tokenRatio?: number })?
    ]
  >
) {
  const { headers, tokenRatio, ...enforced } = real as VirtualServer.Limits & {
    readonly headers?: boolean
    readonly tokenRatio?: number
  }
  const { outcome, use } = measure(
    { ...base, request, server: server({ limits: enforced, headers, tokenRatio }) },
    Clients.governed({ requestsPerMinute: given.requestsPerMinute, tokensPerMinute: given.tokensPerMinute }),
    { name, capacity, unit, from: 60 }
  )
  const refused = Scenario.sum(outcome, "refused", 0)
  check(use >= 0.98 && refused === 0 && outcome.lost === 0, "at least 98 % of the limit, no 429, nothing lost")
}

head("Limits used by others, wrong or changing, 8 minutes, from 30 s after the change")
for (
  const [name, given, options, capacity, besides, from] of [
    ["40 % used by others from the start", limits, { limits }, 1_200_000, othersUse(0.4), 60],
    ["40 % used by others from the 2nd minute", {}, { limits }, 1_200_000, othersUse(0.4, 120), 150],
    ["40 % used by others, no headers", limits, { limits, headers: false }, 1_200_000, othersUse(0.4), 60],
    ["configured twice too high", twice, { limits }, 2_000_000, undefined, 60],
    ["configured twice too high, no headers", twice, { limits, headers: false }, 2_000_000, undefined, 60],
    ["halved after 2 minutes", {}, { limits }, 1_000_000, changed(120, half), 150],
    ["halved after 2 minutes, no headers", limits, { limits, headers: false }, 1_000_000, changed(120, half), 150],
    ["doubled after 2 minutes", {}, { limits: half }, 2_000_000, changed(120, limits), 150]
  ] as ReadonlyArray<
    readonly [
      string,
      VirtualServer.Limits,
      Partial<VirtualServer.Options>,
      number,
      Scenario.Scenario["besides"],
      number
    ]
  >
) {
  const { outcome, refused, use } = measure(
    { ...base, minutes: 8, request: mixed, server: server(options), besides },
    Clients.governed({ requestsPerMinute: given.requestsPerMinute, tokensPerMinute: given.tokensPerMinute }),
    { name, capacity, unit: "tokens", from }
  )
  check(
    use >= 0.95 && refused <= 0.001 && outcome.lost === 0,
    "at least 95 % of what there is, at most one 429 per 1,000 successes, nothing lost"
  )
}

head("No limits and no headers: slots and a short queue, 6 minutes from the 2nd")
for (const [count, queue] of [[8, 4], [32, 8], [64, 16], [200, 20]] as const) {
  const slots = { count, queue }
  const scenario = { ...base, request: medium, server: server({ slots }) }
  const capacity = count / 2 * 60
  const options = { capacity, unit: "granted", from: 60 } as const
  const best = Math.max(
    ...[count, count + queue / 2, count + queue].map((fixed) =>
      measure(
        { ...scenario, server: server({ slots }) },
        Clients.fixed(fixed, VirtualServer.makeRandom(5)),
        { ...options, name: `${count} slots, queue of ${queue}: fixed ${fixed}` }
      ).use
    )
  )
  const { outcome, use } = measure(scenario, Clients.governed(), {
    ...options,
    name: `${count} slots, queue of ${queue}: adaptive`
  })
  const turnedAway = Scenario.sum(outcome, "turnedAway", 0)
  check(
    use >= 0.9 * best && outcome.lost === 0,
    `within 10 % of the best fixed number: ${(100 * use / best).toFixed(1)} %, ${turnedAway} refused`
  )
}

const items = 6000
for (
  const [title, options, besides] of [
    ["limits known", { limits }, undefined],
    ["40 % used by others", { limits }, othersUse(0.4)],
    ["limits half of those of the options", { limits: half }, undefined]
  ] as ReadonlyArray<readonly [string, Partial<VirtualServer.Options>, Scenario.Scenario["besides"]]>
) {
  console.log(`\nClients compared, ${title}: ${items} requests of 500 tokens, and up to 512 for the answer`)
  console.log(`${"".padEnd(52)} ${"done".padStart(6)} ${"lost".padStart(6)} ${"429s".padStart(6)} minutes`)
  const random = VirtualServer.makeRandom(11)
  for (
    const [name, client] of [
      ["LlmGovernor", Clients.governed(limits)],
      ["fixed 64 and the SDK's retries", Clients.fixed(64, random)],
      ["fixed 256 and the SDK's retries", Clients.fixed(256, random)],
      ["p-queue at the requests a minute, SDK's retries", Clients.paced(5000, random)],
      ["p-queue paced by hand for the tokens, SDK's retries", Clients.paced(2_000_000 / 1022, random)]
    ] as const
  ) {
    const scenario = { callers: 500, items, minutes: 30, request: medium, server: server(options), besides }
    const outcome = Scenario.run(scenario, client)
    console.log([
      name.padEnd(52),
      String(outcome.done).padStart(6),
      String(outcome.lost).padStart(6),
      String(Scenario.sum(outcome, "refused", 0)).padStart(6),
      (outcome.seconds.length / 60).toFixed(1).padStart(7)
    ].join(" "))
    if (name === "LlmGovernor") check(outcome.lost === 0, "nothing lost")
  }
}

/** CPU time of a request through a governor, less that of the same request without one. */
const cost = Effect.gen(function*() {
  const answer = Effect.succeed({
    id: "1",
    model: "m",
    text: "{}",
    toolCalls: [],
    finishReason: "stop" as const,
    usage: { ...Usage.zero, inputTokens: 500, outputTokens: 100 },
    rateLimits: [
      { unit: "requests" as const, period: "minute" as const, limit: 1e9, remaining: 1e9, resetAfter: Duration.zero },
      { unit: "tokens" as const, period: "minute" as const, limit: 1e12, remaining: 1e12, resetAfter: Duration.zero }
    ]
  })
  const bare = Llm.make({ provider: "m", model: "m", complete: () => Effect.andThen(Effect.yieldNow, answer) })
  const make = (options: LlmGovernor.Options) =>
    Effect.map(
      Layer.build(Layer.provide(LlmGovernor.layer(options), Layer.succeed(Llm.Llm, bare))),
      Context.get(Llm.Llm)
    )
  const open = yield* make({ requestsPerMinute: 1e9, tokensPerMinute: 1e12 })
  const queueing = yield* make({ requestsPerMinute: 1e9, tokensPerMinute: 1e12, concurrency: 16 })
  const request = VirtualServer.request(500, 100)
  const count = 20_000
  const once = (llm: Llm.Llm["Service"]) =>
    Effect.suspend(() => {
      const before = process.cpuUsage()
      return Effect.map(
        Effect.forEach(Array.from({ length: 64 }), () =>
          Effect.forEach(Array.from({ length: count / 64 }), () => llm.complete(request), { discard: true }), {
          concurrency: "unbounded",
          discard: true
        }),
        () => {
          const { system, user } = process.cpuUsage(before)
          return (system + user) / count
        }
      )
    })
  const rounds: Array<ReadonlyArray<number>> = []
  for (let round = 0; round < 7; round++) {
    rounds.push([yield* once(bare), yield* once(open), yield* once(queueing)])
  }
  const median = (index: number) => rounds.map((round) => round[index]!).toSorted((a, b) => a - b)[3]!
  return { bare: median(0), open: median(1), queueing: median(2) }
})

const { bare, open, queueing } = await Effect.runPromise(Effect.scoped(cost))
console.log("\nCPU of admission, medians of 7 interleaved rounds of 20,000")
console.log(`    without a governor ${bare.toFixed(1)} µs a request`)
check(open - bare <= 15, `${(open - bare).toFixed(1)} µs more, admitted at once`)
check(queueing - bare <= 15, `${(queueing - bare).toFixed(1)} µs more, through the queue`)

if (process.argv.includes("--real")) {
  console.log("\nOver HTTP in real time: 1,200 requests a minute, 60 s")
  const { runReal } = await import("./governor/realTime.ts")
  const { lost, refused, use } = await Effect.runPromise(runReal)
  check(
    use >= 0.98 && refused === 0 && lost === 0,
    `${(100 * use).toFixed(1)} % of the limit, ${refused} 429s, ${lost} lost`
  )
}

if (process.argv.includes("--redis")) {
  console.log("\nTwo processes on one Redis, over HTTP in real time: 1,200 requests a minute in all")
  const { runShared } = await import("./governor/shared.ts")
  const shared = await Effect.runPromise(runShared({ seconds: 60, dies: false }))
  check(
    Math.abs(shared.use - 1) <= 0.02 && shared.refused === 0 && shared.done === shared.expected,
    `${(100 * shared.use).toFixed(1)} % of the limit, ${shared.refused} 429s, ${shared.lost} lost`
  )
  const degraded = await Effect.runPromise(runShared({ seconds: 30, dies: true }))
  check(
    degraded.warned && degraded.done === degraded.expected,
    `Redis dies: ${degraded.done} of ${degraded.expected} done, ${degraded.refused} 429s, ${
      degraded.warned ? "with a warning" : "NO WARNING"
    }`
  )
}

if (missed > 0) process.exitCode = 1
console.log(missed === 0 ? "\nAll figures hold." : `\n${missed} figures missed.`)
