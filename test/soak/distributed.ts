/**
 * `npm run soak:distributed -- [items] [kills]`: a batch with four worker processes over PostgreSQL, a model that takes
 * 300 ms, and random `kill -9` of workers. Counts results, requests and CPU time; without kills it is a benchmark.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, Schema, Stream } from "effect"
import { Batch, BatchQueue, BatchWorker, type Completion, Extraction, Llm, Usage } from "effect-instructor"
import { SqlClient } from "effect/sql"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const [itemsText = "20000", killsText = "0", part, log, concurrencyText = "256"] = process.argv.slice(2)
const count = Number(itemsText)
const kills = Number(killsText)
const concurrency = Number(concurrencyText)
const workers = 4
const latency = "300 millis"

const url = process.env["POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/test"
const Postgres = PgClient.layer({
  url: Redacted.make(url),
  maxConnections: 4,
  startupParameters: { plan_cache_mode: "force_custom_plan" }
})
const Queue = BatchQueue.layerSql().pipe(Layer.provideMerge(Postgres))

const person = Extraction.make({
  name: "SoakPerson",
  schema: Schema.Struct({ id: Schema.Int, name: Schema.String })
})

const cpuSeconds = () => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Counts in a file the requests that were sent, by the index of their items. */
const model = (file: number) =>
  Layer.sync(Llm.Llm, () =>
    Llm.make({
      provider: "soak",
      model: "soak",
      complete: (request) =>
        Effect.suspend(() => {
          const text = request.messages.at(-1)!.content as string
          fs.writeSync(file, `${text.slice(0, text.indexOf(" "))}\n`)
          const completion: Completion.Completion = {
            id: "1",
            model: "soak",
            text: `{"id":${Number.parseInt(text, 10)},"name":"Ada"}`,
            toolCalls: [],
            finishReason: "stop",
            usage: { ...Usage.zero, inputTokens: 100, outputTokens: 10 }
          }
          return Effect.as(Effect.sleep(latency), completion)
        })
    }))

if (part === "worker") {
  const file = fs.openSync(log!, "a")
  const program = BatchWorker.run([person], { concurrency, grace: "5 seconds" }).pipe(
    Effect.provide([Queue, model(file)])
  )
  const fiber = Effect.runFork(program)
  process.on("SIGTERM", () => {
    process.stdout.write(`${cpuSeconds()} ${process.resourceUsage().maxRSS}\n`, () => process.exit(0))
  })
  fiber.addObserver((exit) => {
    if (exit._tag === "Failure") process.stderr.write(`${String(exit.cause)}\n`)
    process.exit(1)
  })
} else {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "soak-"))
  const file = path.join(directory, "requests")
  fs.writeFileSync(file, "")
  const running = new Map<ChildProcess, string>()
  const start = () => {
    const child = spawn(process.execPath, [
      ...process.execArgv,
      import.meta.filename,
      itemsText,
      killsText,
      "worker",
      file,
      concurrencyText
    ], { stdio: ["ignore", "pipe", "inherit"] })
    running.set(child, "")
    child.stdout.on("data", (data) => running.set(child, `${running.get(child)}${String(data)}`))
  }
  const job = `soak-${process.pid}`
  const filler = "Lorem ipsum dolor sit amet ".repeat(15)
  const source = Stream.map(Stream.rechunk(Stream.range(0, count - 1), 256), (i) => `${i} ${filler}`)
  const postgresSeconds = (): number => {
    let ticks = 0
    for (const name of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (!fs.readFileSync(`/proc/${name}/comm`, "utf8").startsWith("postgres")) continue
        const fields = fs.readFileSync(`/proc/${name}/stat`, "utf8").replace(/^.*\) /, "").split(" ")
        ticks += Number(fields[11]) + Number(fields[12])
      } catch {
        // It has ended meanwhile.
      }
    }
    return ticks / 100
  }

  const program = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (let i = 0; i < workers; i++) start()
    let killed = 0
    const seen = new Uint8Array(count)
    let emitted = 0
    let first = 0
    const before = { feeder: cpuSeconds(), postgres: postgresSeconds() }
    const killer = Effect.gen(function*() {
      while (killed < kills) {
        yield* Effect.sleep(`${500 + Math.floor(Math.random() * 1500)} millis`)
        const victims = [...running.keys()]
        const victim = victims[Math.floor(Math.random() * victims.length)]!
        victim.kill("SIGKILL")
        running.delete(victim)
        killed++
        start()
      }
    })
    if (kills > 0) yield* Effect.forkChild(killer)
    yield* Batch.distributed(person, source, { job }).pipe(Stream.runForEach(({ index, result }) =>
      Effect.sync(() => {
        if (first === 0) first = performance.now()
        if (result._tag === "Failure" || result.success.id !== index) throw new Error(`wrong result of ${index}`)
        seen[index]!++
        emitted++
      })
    ))
    const seconds = (performance.now() - first) / 1000
    const [row] = yield* sql`SELECT count(*) AS rows FROM effect_instructor_record r
      JOIN effect_instructor_journal j ON j.id = r.journal WHERE j.name = ${job}`
    const postgres = postgresSeconds() - before.postgres
    const feeder = cpuSeconds() - before.feeder
    const ended = [...running.keys()].map((child) =>
      new Promise<void>((resolve) => child.once("close", () => resolve()))
    )
    for (const child of running.keys()) child.kill("SIGTERM")
    yield* Effect.promise(() => Promise.all(ended))
    const reports = [...running.values()].map((text) => text.trim().split(" ").map(Number))
    const worker = reports.reduce((sum, [cpu = 0]) => sum + cpu, 0)
    const requests = fs.readFileSync(file, "utf8").split("\n").length - 1
    const micros = (seconds: number) => Math.round(seconds / count * 1e6)
    process.stdout.write(
      [
        `${count} items, ${workers} workers of ${concurrency} in flight, ${killed} killed`,
        `results ${emitted}, once each: ${seen.every((n) => n === 1)}, rows ${Number(row!["rows"])}`,
        `requests ${requests}: ${requests - count} twice, at most ${killed * concurrency} were in flight at the kills`,
        `${Math.round(emitted / seconds)} items/s since the first result; at most ${
          Math.round(workers * concurrency / 0.3)
        }`,
        `CPU of an item: workers ${micros(worker)} us, feeder ${micros(feeder)} us, PostgreSQL ${micros(postgres)} us`,
        `memory: feeder ${Math.round(process.resourceUsage().maxRSS / 1000)} MB, workers ${
          reports.map(([, rss = 0]) => Math.round(rss / 1000)).join(", ")
        } MB`
      ].join("\n") + "\n"
    )
    if (!seen.every((n) => n === 1) || requests - count > killed * concurrency) process.exitCode = 1
    yield* BatchQueue.remove({ job })
  }).pipe(Effect.provide(Queue))
  await Effect.runPromise(program).finally(() => {
    for (const child of running.keys()) child.kill("SIGKILL")
    fs.rmSync(directory, { recursive: true })
  })
}
