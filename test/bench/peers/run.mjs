/**
 * `npm run bench`: what a text costs on its way to a typed value, through this library and through others, side by side.
 *
 * Every figure comes from a process of its own, which talks to a server in another. The clients take turns, so that
 * what else the machine does falls on all of them; medians are told, and ratios first, for those outlive the machine.
 *
 * --rounds=5    how often each client has its turn
 * --only=a,b    these clients alone (the files in `clients`)
 * --suites=...  of cpu, flow, imports, bundles; all by default
 * --flow=0x256  latencies and numbers in flight for the suite "flow"
 * --simulator   against `OpenAiSimulator` in place of the minimal server
 * --dry         prints, and leaves the report as it is
 */
import { buildSync } from "esbuild"
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { bundles } from "./bundles.mjs"
import { imports } from "./imports.mjs"
import { chart, markdown, pageTable } from "./report.mjs"

const here = import.meta.dirname
const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    suites: { type: "string", default: "cpu,flow,imports,bundles" },
    flow: { type: "string", default: "0x256,0x2000,500x32,500x256,500x2000" },
    simulator: { type: "boolean", default: false },
    dry: { type: "boolean", default: false }
  }
})

const all = {
  "ours-extract": "effect-instructor, `Extraction.extract`",
  "ours-results": "effect-instructor, `Batch.results`",
  "ours-stream": "effect-instructor, `Batch.stream`",
  "ours-elements": "effect-instructor, a list of one, streamed",
  "ours-fetch": "effect-instructor, built-in `fetch`",
  "undici": "undici alone, Zod",
  "openai": "`openai`, Zod",
  "effect": "Effect's `LanguageModel.generateObject`",
  "ai": "Vercel AI SDK",
  "instructor": "instructor-js",
  "langchain": "LangChain.js",
  "tanstack": "TanStack AI",
  "baml": "BAML"
}
const clients = Object.keys(all).filter((name) => options.only?.split(",").includes(name) ?? true)
const suites = options.suites.split(",")
const failures = {}

const median = (numbers) => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]

/** BAML's client is generated, and in TypeScript that only a bundler resolves. */
const generateBaml = () => {
  // It refuses to write where there is a file it does not know.
  fs.rmSync(path.join(here, "baml_client"), { recursive: true, force: true })
  execFileSync("node_modules/.bin/baml-cli", ["generate"], { cwd: here, stdio: "ignore" })
  buildSync({
    absWorkingDir: here,
    entryPoints: ["baml_client/index.ts"],
    outfile: "baml_client/index.mjs",
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    logLevel: "error"
  })
}

const startServer = (latency) =>
  new Promise((resolve, reject) => {
    const file = options.simulator ? "simulator.mjs" : "server.mjs"
    const child = spawn(process.execPath, [path.join(here, file), String(latency)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    child.once("error", reject)
    child.stdout.once("data", (data) => resolve({ port: String(data).trim(), stop: () => child.kill() }))
  })

const measure = (client, port, { concurrency, count, warmUp }) =>
  new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--expose-gc", path.join(here, "worker.mjs"), client, port, count, concurrency, warmUp].map(String),
      { env: { ...process.env, BAML_LOG: "off", LANGSMITH_TRACING: "false" }, timeout: 180_000 }
    )
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (data) => stdout += data)
    child.stderr.on("data", (data) => stderr += data)
    child.on("close", (code) => {
      if (code === 0) return resolve(JSON.parse(stdout.trim().split("\n").at(-1)))
      const reason = /^\w*Error.*$/m.exec(stderr)?.[0] ?? stderr.trim().split("\n").at(-1)
      failures[client] ??= (reason || `it ended with ${code}`).slice(0, 300)
      process.stdout.write(`${client} failed: ${failures[client]}\n`)
      return resolve(undefined)
    })
  })

/** Each client in turn, round after round. */
const takeTurns = async (title, latency, sizes, rounds) => {
  const { port, stop } = await startServer(latency)
  const runs = Object.fromEntries(clients.map((client) => [client, []]))
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) {
      if (failures[client] !== undefined) continue
      const result = await measure(client, port, sizes)
      if (result !== undefined) runs[client].push(result)
      process.stdout.write(`${title} ${round + 1}/${rounds} ${client} ${result ? JSON.stringify(result) : "-"}\n`)
    }
  }
  stop()
  return Object.fromEntries(
    Object.entries(runs).filter(([, results]) => results.length > 0).map(([client, results]) => {
      const of = (key) => results.map((result) => result[key])
      const cpu = of("cpuMicros")
      return [client, {
        cpuRuns: cpu,
        cpuMicros: median(cpu),
        cpuMin: Math.min(...cpu),
        cpuMax: Math.max(...cpu),
        perSecond: median(of("perSecond")),
        p50: median(of("p50")),
        p99: median(of("p99")),
        peakMegabytes: median(of("peakMegabytes"))
      }]
    })
  )
}

if (clients.includes("baml")) {
  try {
    generateBaml()
  } catch (error) {
    failures.baml = String(error.message).split("\n")[0]
  }
}

const rounds = Number(options.rounds)
const report = {
  all,
  clients,
  failures,
  rounds,
  simulator: options.simulator,
  machine: `${os.cpus()[0]?.model.trim() ?? "?"}, ${os.availableParallelism()} cores, Node ${process.versions.node}`,
  cpu: undefined,
  flow: [],
  imports: undefined,
  bundles: undefined
}

if (suites.includes("cpu")) {
  report.cpu = await takeTurns("cpu", 0, { concurrency: 32, count: 8000, warmUp: 4000 }, rounds)
}
if (suites.includes("flow")) {
  for (const cell of options.flow.split(",")) {
    const [latency, concurrency] = cell.split("x").map(Number)
    const sizes = {
      concurrency,
      count: latency === 0 ? 6000 : concurrency * 6,
      // Until every connection is there, and what is compiled has been.
      warmUp: latency === 0 ? 3000 : Math.max(concurrency * 2, 256)
    }
    const results = await takeTurns(`${latency} ms ${concurrency}`, latency, sizes, Math.ceil(rounds / 2))
    report.flow.push({ latency, concurrency, results })
  }
}
if (suites.includes("imports")) report.imports = imports(clients, failures)
if (suites.includes("bundles")) report.bundles = await bundles(clients, failures)

const text = markdown(report)
process.stdout.write(`\n${text}`)
if (!options.dry) {
  const root = path.join(here, "../../..")
  const page = path.join(root, "docs/performance.md")
  fs.writeFileSync(path.join(here, "RESULTS.md"), text)
  if (report.cpu !== undefined) {
    fs.writeFileSync(path.join(here, "chart.svg"), chart(report))
    fs.writeFileSync(
      page,
      fs.readFileSync(page, "utf8").replace(
        /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/,
        (_, open, end) => `${open}\n${pageTable(report)}\n${end}`
      )
    )
  }
  execFileSync("npx", ["dprint", "fmt", "docs/performance.md", "test/bench/peers/RESULTS.md"], {
    cwd: root,
    stdio: "ignore"
  })
}
