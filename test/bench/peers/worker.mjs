/**
 * One client against one server, measured: `worker.mjs <client> <port> <extractions> <in flight> <warm-up>` prints JSON.
 * CPU is that of this process, the client's own threads included.
 */
import { performance } from "node:perf_hooks"

const [name, port, ...numbers] = process.argv.slice(2)
const [count, concurrency, warmUp] = numbers.map(Number)

const { default: make } = await import(`./clients/${name}.mjs`)
const client = make(`http://127.0.0.1:${port}/v1`)

let durations = []

const check = (text, value, start) => {
  if (value.name !== "John" || !text.endsWith(`I am ${value.age} years old`)) {
    throw new Error(`${name} made ${JSON.stringify(value)} of ${JSON.stringify(text)}`)
  }
  if (start !== undefined) durations.push(performance.now() - start)
}

const texts = (n) => Array.from({ length: n }, (_, i) => `My name is John and I am ${i % 100} years old`)

const run = client.all !== undefined
  ? (n) => client.all(texts(n), concurrency, check)
  : (n) => {
    const all = texts(n)
    let next = 0
    const work = async () => {
      while (next < n) {
        const text = all[next++]
        const start = performance.now()
        check(text, await client(text), start)
      }
    }
    return Promise.all(Array.from({ length: Math.min(n, concurrency) }, work))
  }

await run(warmUp)
durations = []
globalThis.gc?.()
const cpu = process.cpuUsage()
const start = performance.now()
await run(count)
const { system, user } = process.cpuUsage(cpu)
const millis = performance.now() - start
const sorted = durations.toSorted((one, other) => one - other)
const percentile = (p) => sorted[Math.floor((sorted.length - 1) * p)]
console.log(JSON.stringify({
  cpuMicros: (user + system) / count,
  perSecond: count * 1000 / millis,
  p50: percentile(0.5),
  p99: percentile(0.99),
  peakMegabytes: process.resourceUsage().maxRSS / 1024
}))
process.exit(0)
