import { Effect } from "effect"
import * as Clients from "./governor/clients.ts"
import * as Scenario from "./governor/scenario.ts"
import { makeRandom, request } from "./governor/virtualServer.ts"

const random = makeRandom(42)
const latencyMillis = () => 1200 + 1600 * random() ** 3 + 800 * random()
const outputTokens = () => 60 + Math.floor(120 * random())
const server = { latencyMillis, outputTokens }
const minutes = 6

const line = (name: string, o: Scenario.Outcome, limit: number, field: "granted" | "tokens", from = 60) => {
  const to = o.seconds.length
  const rate = Scenario.sum(o, field, from, minutes * 60) / ((minutes * 60 - from) / 60)
  console.log(name.padEnd(34), `${(100 * rate / limit).toFixed(2)} %`, "429s", Scenario.sum(o, "refused", 0), "after 1st min", Scenario.sum(o, "refused", 60), "done", o.done, "lost", o.lost, "inflight", o.maxInFlight, to)
}
const t = process.cpuUsage()
const time = (f: () => void) => { const a = performance.now(); f(); console.log(`   ${((performance.now() - a) / 1000).toFixed(1)} s`) }
const limits = { requestsPerMinute: 5000, tokensPerMinute: 2_000_000 }
const g = Clients.governed
time(() => line("RPM known", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits }, request: (r) => request(100 + 50 * r(), 100) }, g(limits)), 5000, "granted"))
time(() => line("RPM discovered", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits }, request: (r) => request(100 + 50 * r(), 100) }, g()), 5000, "granted"))
time(() => line("RPM known no headers", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits, headers: false }, request: (r) => request(100 + 50 * r(), 100) }, g(limits)), 5000, "granted"))
time(() => line("TPM known", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits }, request: (r) => request(500, 512) }, g(limits)), 2e6, "tokens"))
time(() => line("TPM known ratio 1.3", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits, tokenRatio: 1.3 }, request: (r) => request(500 + 1000 * r(), 512) }, g(limits)), 2e6, "tokens"))
time(() => line("TPM known ratio .7 no max", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits, tokenRatio: .7 }, request: (r) => request(500 + 1000 * r(), undefined) }, g(limits)), 2e6, "tokens"))
const mixed = (r: () => number) => request(10 * 800 ** r(), 200)
time(() => line("mixed known", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits }, request: mixed }, g(limits)), 2e6, "tokens"))
time(() => line("mixed discovered", Scenario.run({ name: "", minutes, callers: 500, server: { ...server, limits }, request: mixed }, g()), 2e6, "tokens"))
const q = { requestsPerMinute: 600, quantised: true }
time(() => line("quantised known", Scenario.run({ name: "", minutes, callers: 200, server: { ...server, limits: q }, request: (r) => request(100, 100) }, g(q)), 600, "granted"))
time(() => line("quantised discovered", Scenario.run({ name: "", minutes, callers: 200, server: { ...server, limits: q }, request: (r) => request(100, 100) }, g()), 600, "granted"))
console.log(process.cpuUsage(t))
void Effect
