/**
 * `npm run chaos:processes -- [--seeds 20] [--from 1] [--items 60] [--minutes 30]`: runs the real command against the simulator, over and over on
 * the same files, while it is killed, its wall clock jumps, bits of its journal, output and cache flip, tails are cut
 * off, and the server answers nonsense, drops connections and echoes the key. In the end a run without faults has to
 * complete the output. After each step an oracle checks what must never happen. Prints the violations and a summary;
 * `--from SEED --seeds 1` replays one.
 */
import { Effect } from "effect"
import { Fault, Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"
import * as Command from "../support/command.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    from: { type: "string", default: "1" },
    items: { type: "string", default: "60" },
    minutes: { type: "string", default: "Infinity" }
  }
})
const items = Number(values.items)

const schema = `
import { Schema } from "effect"
export const Echo = Schema.Struct({ echo: Schema.String })
`

/** What no run may touch. The second is where an older version kept its temporary file. */
const canaries: Readonly<Record<string, string>> = { "mine.txt": "mine", "out.jsonl.new": "mine, too" }

const makeRandom = (seed: number) => {
  let state = seed * 2 + 1
  const next = (): number => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0
    return (state >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    next,
    below,
    pick: <A>(list: ReadonlyArray<A>): A => list[below(list.length)]!,
    chance: (p: number) => next() < p
  }
}

interface Counts {
  runs: number
  kills: number
  interrupts: number
  flips: number
  cuts: number
  jumps: number
  faults: number
  paidTwice: number
  peakMegabytes: number
}

const counts: Counts = {
  runs: 0,
  kills: 0,
  interrupts: 0,
  flips: 0,
  cuts: 0,
  jumps: 0,
  faults: 0,
  paidTwice: 0,
  peakMegabytes: 0
}

const read = (file: string): Buffer | undefined => fs.existsSync(file) ? fs.readFileSync(file) : undefined

/** The most memory that a process has used, where the system tells. */
const peakOf = (pid: number | undefined): number => {
  const status = read(`/proc/${pid}/status`)?.toString() ?? ""
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

const runSeed = (seed: number) =>
  Effect.scoped(Effect.gen(function*() {
    const { below, chance, next, pick } = makeRandom(seed)
    const key = `sk-chaos-${seed}-${below(2 ** 31).toString(36)}-secret`
    const textOf = (i: number): string => `item${i} says ${"x".repeat(i % 40)}`
    const violations: Array<string> = []
    const trace: Array<string> = []
    const answered = new Map<string, number>()
    let isHostile = true

    const { baseUrl } = yield* OpenAiSimulator.make({
      latency: 30 + below(80),
      apiKey: key,
      keep: 1,
      answer: ({ body }) => {
        // A reask has the text in an earlier message.
        const text = /item\d+ says x*/.exec(JSON.stringify(body))![0]
        const kind = isHostile ? next() : 1
        if (kind < 0.12) counts.faults++
        if (kind < 0.02) return Fault.error(429, { message: `slow down \u001b[31m ${key}` })
        if (kind < 0.04) return Fault.error(500, { message: `broken for ${key}`, code: key })
        if (kind < 0.06) return Fault.drop
        if (kind < 0.08) return Fault.respond({ status: 200, body: `{"choices": nonsense ${key}` })
        if (kind < 0.1) return Reply.text("Sorry, no JSON today")
        if (kind < 0.12) return { echo: 5 }
        answered.set(text, (answered.get(text) ?? 0) + 1)
        return { echo: text }
      }
    })
    const byId = chance(0.5)
    const cwd = yield* Command.folder({
      "echo.ts": schema,
      "clock.mjs": fs.readFileSync(path.join(import.meta.dirname, "clock.mjs")),
      "in.jsonl": Array.from({ length: items }, (_, i) => `{"id":"id${i}","text":"${textOf(i)}"}\n`).join(""),
      ...canaries
    })
    const at = (name: string): string => path.join(cwd, name)
    const input = fs.readFileSync(at("in.jsonl"), "utf8")
    const hasCache = chance(0.3)
    const expect = (holds: boolean, what: string): void => {
      if (!holds) violations.push(what)
    }

    const start = Effect.fnUntraced(function*(killAfterMillis: number | undefined, signal: NodeJS.Signals) {
      const concurrency = 1 + below(20)
      const jumps = chance(0.4)
        ? [{ afterMillis: 300 + below(1500), byMillis: pick([-3_600_000, -60_000, 60_000, 86_400_000]) }]
        : []
      counts.jumps += jumps.length
      counts.runs++
      const args = [
        ..."run --schema echo.ts --input in.jsonl --output out.jsonl --quiet --concurrency".split(" "),
        String(concurrency),
        ...(byId ? ["--id-field", "id"] : []),
        ...(chance(0.5) ? ["--ordered"] : []),
        ...(hasCache ? ["--cache", "cache.sqlite"] : []),
        ...(isHostile && chance(0.2) ? ["--limit", String(1 + below(items))] : [])
      ]
      trace.push(`${args.slice(8).join(" ")} ${signal} after ${killAfterMillis} clock ${JSON.stringify(jumps)}`)
      return yield* Effect.scoped(Effect.gen(function*() {
        const { child, ended } = yield* Command.start(args, {
          cwd,
          input: "",
          env: {
            OPENAI_BASE_URL: baseUrl,
            OPENAI_API_KEY: key,
            CHAOS_CLOCK: JSON.stringify(jumps),
            NODE_OPTIONS: `--import ${at("clock.mjs")}`
          }
        })
        const watch = setInterval(() => {
          counts.peakMegabytes = Math.max(counts.peakMegabytes, peakOf(child.pid))
        }, 50)
        if (killAfterMillis !== undefined) {
          // Counted from the first answer, because the time of a start depends on the machine.
          const before = answered.size
          for (let waited = 0; waited < 20_000 && child.exitCode === null && answered.size === before; waited += 10) {
            yield* Effect.sleep(10)
          }
          yield* Effect.sleep(killAfterMillis)
          if (child.exitCode === null && child.kill(signal)) {
            if (signal === "SIGKILL") counts.kills++
            else counts.interrupts++
          }
        }
        const end = yield* ended
        clearInterval(watch)
        return { ...end, concurrency, wasKilled: end.signal !== null }
      }))
    })

    /** Records that a damage may have taken, which their items may pay for again. */
    const damage = (name: string): number => {
      const bytes = read(at(name))
      if (bytes === undefined || bytes.length < 200) return 0
      if (chance(0.7)) {
        // Not in the first line: without it, the file is refused as one of something else.
        const where = 100 + below(bytes.length - 100)
        bytes[where]! ^= 1 << below(8)
        fs.writeFileSync(at(name), bytes)
        counts.flips++
        trace.push(`flip ${name} at ${where}`)
        return 2
      }
      const length = Math.max(100, bytes.length - below(600))
      fs.truncateSync(at(name), length)
      counts.cuts++
      trace.push(`cut ${name} to ${length}`)
      return 1 + bytes.subarray(length).toString().split("\n").length
    }

    const check = ({ code, stderr, stdout }: Command.Ended): void => {
      expect(code !== 70 && !/^\s+at /m.test(stderr), `a defect: ${stderr.slice(0, 400)}`)
      expect(stdout === "", `standard output: ${stdout.slice(0, 200)}`)
      expect(!stderr.includes("\u001b"), "a control character")
      for (const [name, content] of Object.entries(canaries)) {
        expect(fs.readFileSync(at(name), "utf8") === content, `${name} was touched`)
      }
      expect(fs.readFileSync(at("in.jsonl"), "utf8") === input, "the input was touched")
      for (const name of fs.readdirSync(cwd)) {
        if (!fs.statSync(at(name)).isFile()) continue
        expect(!fs.readFileSync(at(name)).includes(key), `the key is in ${name}`)
      }
      expect(!stderr.includes(key), "the key is on standard error")
    }

    let bound = 0
    const steps = 2 + below(3)
    for (let step = 0; step < steps; step++) {
      const isKilled = chance(0.8)
      const signal = pick(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"] as const)
      const end = yield* start(isKilled ? below(300) : undefined, signal)
      check(end)
      if (end.wasKilled) bound += end.concurrency
      if (chance(0.6)) bound += damage("out.jsonl.journal")
      if (chance(0.3)) damage("out.jsonl")
      if (hasCache && chance(0.3)) damage("cache.sqlite")
    }

    isHostile = false
    let last = yield* start(undefined, "SIGKILL")
    if (last.code === 1 && /cache|database/i.test(last.stderr) && hasCache) {
      // A cache that is damaged is refused, and its user removes it.
      fs.rmSync(at("cache.sqlite"), { force: true })
      last = yield* start(undefined, "SIGKILL")
    }
    check(last)
    expect(last.code === 0, `the last run ended with ${last.code}: ${last.stderr.slice(0, 400)}`)
    const lines = Command.readLines(at("out.jsonl"))
    expect(lines.length === items, `${lines.length} lines for ${items} inputs`)
    expect(new Set(lines.map(({ index }) => index)).size === items, "an input has no line")
    for (const { id, index, status, value } of lines) {
      expect(status === "ok", `item ${index} failed`)
      expect(id === (byId ? `id${index}` : String(index)), `item ${index} has the id ${id}`)
      expect(value?.echo === textOf(index), `a wrong value at ${index}: ${JSON.stringify(value)}`)
    }
    const twice = [...answered.values()].reduce((sum, count) => sum + count - 1, 0)
    counts.paidTwice += twice
    expect(twice <= bound, `paid ${twice} times more than once, at most ${bound} were in flight or damaged`)
    const left = fs.readdirSync(cwd).filter((name) => name.startsWith(".effect-instructor") || name.endsWith(".lock"))
    expect(left.length === 0, `left behind: ${left.join(", ")}`)
    return { violations, trace }
  }))

const started = Date.now()
let failed = 0
const first = Number(values.from)
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => first + i)
const deadline = started + Number(values.minutes) * 60_000
let done = 0
await Effect.runPromise(
  Effect.forEach(
    seeds,
    (seed) =>
      Date.now() > deadline ? Effect.void : Effect.map(runSeed(seed), ({ trace, violations }) => {
        done++
        if (violations.length === 0) return
        failed++
        console.log(`seed ${seed}: ${violations.slice(0, 5).join("\n  ")}\n  ${trace.join("\n  ")}`)
      }),
    { discard: true }
  )
)
console.log(JSON.stringify({
  seeds: done,
  from: first,
  items,
  violations: failed,
  ...counts,
  peakMegabytes: Math.round(counts.peakMegabytes),
  seconds: Math.round((Date.now() - started) / 1000)
}))
process.exitCode = failed === 0 ? 0 : 1
