/**
 * `npm run bench:journals -- [items]`: the file journal against SQL ones. For each, in processes of its own: the CPU time
 * of an item of 1 KB that is run and recorded, that of an item that is skipped, the time until the first item of a
 * run over the full journal, and what the journal takes on the disk.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, Schema, Stream } from "effect"
import { Batch, type Completion, Extraction, Llm, SqlJournal, Usage } from "effect-instructor"
import { NodeJournal, NodeSqlite } from "effect-instructor/node"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const [part, kind, directory, countText] = process.argv[2]?.match(/^\d+$/) ? [] : process.argv.slice(2)
const count = Number(countText ?? process.argv[2] ?? 50_000)

const person = Extraction.make({ schema: Schema.Struct({ id: Schema.Int, name: Schema.String }) })

const constant = Layer.sync(Llm.Llm, () => {
  const completion: Completion.Completion = {
    id: "1",
    model: "constant",
    text: `{"id":1,"name":"Ada"}`,
    toolCalls: [],
    finishReason: "stop",
    usage: { ...Usage.zero, inputTokens: 300, outputTokens: 10 }
  }
  return Llm.make({
    provider: "constant",
    model: "constant",
    complete: () => Effect.andThen(Effect.yieldNow, Effect.succeed(completion)),
    stream: () => Stream.succeed({ _tag: "Finish", completion })
  })
})

const filler = "Lorem ipsum dolor sit amet ".repeat(36)
const source = (first: number, count: number) =>
  Stream.map(Stream.rechunk(Stream.range(first, first + count - 1), 256), (i) => `Person ${i}: ${filler}`)

const journal = () => {
  switch (kind) {
    case "file":
      return NodeJournal.layer({ path: path.join(directory!, "journal") })
    case "sqlite":
      return SqlJournal.layer().pipe(
        Layer.provide(NodeSqlite.layer({ filename: path.join(directory!, "journal.sqlite") }))
      )
    default:
      return SqlJournal.layer({ name: directory! }).pipe(Layer.provide(PgClient.layer({
        url: Redacted.make(process.env["POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/test"),
        maxConnections: 4,
        startupParameters: { plan_cache_mode: "force_custom_plan" }
      })))
  }
}

const cpu = () => {
  const { system, user } = process.cpuUsage()
  return user + system
}

if (part === undefined) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "journals-"))
  for (const kind of ["file", "sqlite", "pg"]) {
    const directory = path.join(root, kind)
    fs.mkdirSync(directory)
    for (const part of ["write", "pass", "open"]) {
      const output = execFileSync(
        process.execPath,
        [...process.execArgv, import.meta.filename, part, kind, directory, String(count)],
        { encoding: "utf8" }
      )
      process.stdout.write(`${kind} ${part}: ${output}`)
    }
    const bytes = fs.readdirSync(directory).reduce((sum, name) => sum + fs.statSync(path.join(directory, name)).size, 0)
    process.stdout.write(`${kind} disk: ${Math.round(bytes / count)} bytes an item\n`)
  }
  fs.rmSync(root, { recursive: true })
} else {
  const begun = performance.now()
  const before = cpu()
  let first = 0
  const program = Batch.resumable(person, part === "open" ? source(count, 1) : source(0, count), {
    concurrency: 100,
    emitRestored: false
  }).pipe(
    Stream.runForEach(() =>
      Effect.sync(() => {
        if (first === 0) first = performance.now() - begun
      })
    ),
    Effect.provide([constant, journal()])
  )
  await Effect.runPromise(program)
  const micros = ((cpu() - before) / count).toFixed(1)
  const seconds = (performance.now() - begun) / 1000
  process.stdout.write(
    part === "open"
      ? `${Math.round(first)} ms until the first item, peak RSS ${
        Math.round(process.resourceUsage().maxRSS / 1000)
      } MB\n`
      : `${micros} us of CPU an item, ${Math.round(count / seconds)} items/s, peak RSS ${
        Math.round(process.resourceUsage().maxRSS / 1000)
      } MB\n`
  )
}
