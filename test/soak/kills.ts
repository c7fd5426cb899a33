/**
 * `npm run soak:kills`: one long run of the command, killed with SIGKILL at random instants, its journal and output torn
 * at their ends in between, and resumed each time. Then looks whether all that was recorded was kept, whether the output
 * has each item once, and how much was paid for twice. Prints the figures as JSON; fails if one of them is wrong.
 */
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { strict as assert } from "node:assert"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Command from "../support/command.ts"

const count = Number(process.argv[2] ?? 20_000)
const kills = Number(process.argv[3] ?? 200)
const seed = Number(process.argv[4] ?? Date.now() % 1_000_000)
const concurrency = 16
const latencyMillis = 100
/** A run lives so much longer than its start takes, at most: the runs that are killed do about nine tenths of the work. */
const spanMillis = 2 * 0.9 * count / kills / (concurrency / latencyMillis)

let state = seed * 2 + 1
const random = (): number => {
  state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0
  return (state >>> 0) / 2 ** 32
}

const schema = `
import { Schema } from "effect"
export const Echo = Schema.Struct({ echo: Schema.String })
`

/** Cuts into the last line, or leaves a half one behind it, as a machine does whose power goes. */
const tear = (file: string): "cut" | "torn" | "none" => {
  const kind = random()
  if (kind < 1 / 3 || !fs.existsSync(file)) return "none"
  const text = fs.readFileSync(file)
  const lastLine = text.lastIndexOf(10, text.length - 2) + 1
  if (kind < 2 / 3 && lastLine > 0) {
    fs.truncateSync(file, lastLine + Math.floor(random() * (text.length - lastLine)))
    return "cut"
  }
  fs.appendFileSync(file, `{"key":"0123456789abcdef01234567","print":"01`.slice(0, 1 + Math.floor(random() * 44)))
  return "torn"
}

/** The ids of the records that are whole. */
const recordedIds = (file: string): ReadonlySet<string> => {
  const ids = new Set<string>()
  if (!fs.existsSync(file)) return ids
  for (const line of fs.readFileSync(file, "utf8").split("\n").slice(1, -1)) {
    const id = /"id":"(\w+)"/.exec(line)?.[1]
    if (id !== undefined && line.endsWith("}")) ids.add(id)
  }
  return ids
}

const program = Effect.gen(function*() {
  let recorded: ReadonlySet<string> = new Set()
  let lost = 0
  const { baseUrl, ledger } = yield* OpenAiSimulator.make({
    latency: latencyMillis,
    keep: 1,
    answer: ({ text }) => {
      if (recorded.has(/\w+/.exec(text)![0])) lost++
      return { echo: text }
    }
  })
  const cwd = yield* Command.folder({
    "echo.ts": schema,
    "in.jsonl": Array.from(
      { length: count },
      (_, i) => `{"id":"item${i}","text":"item${i} says ${"x".repeat(i % 50)}"}\n`
    )
      .join("")
  })
  const [output, journal] = [path.join(cwd, "out.jsonl"), path.join(cwd, "out.jsonl.journal")]
  const args = [
    ..."run --schema echo.ts --input in.jsonl --output out.jsonl --id-field id --concurrency".split(" "),
    String(concurrency)
  ]
  const options = {
    cwd,
    env: { OPENAI_BASE_URL: baseUrl, NODE_COMPILE_CACHE: path.join(os.tmpdir(), "effect-instructor-compile-cache") },
    input: ""
  }
  const startedSending = Effect.fnUntraced(function*(before: number) {
    const start = Date.now()
    yield* Effect.repeat(Effect.delay(ledger, "5 millis"), { until: ({ granted }) => granted > before })
    return Date.now() - start
  })

  const started = Date.now()
  let [killed, cut, torn, beforeSending] = [0, 0, 0, 0]
  let startMillis = 1000
  for (; killed < kills; killed++) {
    const before = (yield* ledger).granted
    const isOver = yield* Effect.scoped(Effect.gen(function*() {
      const { child, ended } = yield* Command.start(args, options)
      // One in ten dies as it starts, while it may be reading the journal.
      if (random() < 0.1) {
        yield* Effect.sleep(random() * startMillis)
      } else {
        startMillis = yield* Effect.race(
          startedSending(before),
          Effect.as(ended, startMillis)
        )
        yield* Effect.sleep(random() * spanMillis)
      }
      const isOver = child.exitCode !== null
      child.kill("SIGKILL")
      yield* ended
      return isOver
    }))
    if (isOver) break
    if ((yield* ledger).granted === before) beforeSending++
    for (const file of [journal, output]) {
      const kind = tear(file)
      if (kind === "cut" && file === journal) cut++
      else if (kind !== "none") torn++
    }
    recorded = recordedIds(journal)
    if (killed % 20 === 0) {
      console.error(`${killed} kills, ${recorded.size} of ${count} recorded, started in ${startMillis} ms`)
    }
  }
  const recordedBefore = recorded.size
  const last = yield* Command.run(args, options)
  assert.equal(last.code, 0, last.stderr)

  const lines = Command.readLines(output)
  const ids = new Set(lines.map(({ id }) => id))
  const wrong = lines.filter(({ id, index, value }) => id !== `item${index}` || !value.echo.startsWith(`${id} says`))
  const { granted } = yield* ledger
  const figures = {
    items: count,
    kills: killed,
    concurrency,
    killedBeforeSending: beforeSending,
    journalsCut: cut,
    otherTails: torn,
    recordedBeforeLastRun: recordedBefore,
    recordedAndSentAgain: lost,
    outputLines: lines.length,
    distinctIds: ids.size,
    wrongLines: wrong.length,
    billed: granted,
    billedTwice: granted - count,
    bound: count + killed * concurrency,
    seconds: Math.round((Date.now() - started) / 1000),
    seed
  }
  console.log(JSON.stringify(figures, null, 2))
  assert.equal(killed, kills)
  assert.equal(lost, 0)
  assert.equal(lines.length, count)
  assert.equal(ids.size, count)
  assert.equal(wrong.length, 0)
  // A record that was cut off was paid for, too.
  assert.ok(granted <= count + killed * concurrency + cut)
})

await Effect.runPromise(Effect.scoped(program))
