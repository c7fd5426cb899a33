import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"
import { hasPostgres, hasRedis, postgresUrl, redisUrl, uniqueName } from "../support/databases.ts"

const timeout = 120_000

const setup = (count: number, latency: "0 millis" | "100 millis" = "0 millis") =>
  Effect.gen(function*() {
    const simulator = yield* OpenAiSimulator.make({ answer: Command.answerPerson, latency })
    const cwd = yield* Command.folder({
      "person.ts": Command.personSchema,
      "texts.txt": `${Command.people(count).join("\n")}\n`
    })
    const env = { OPENAI_BASE_URL: simulator.baseUrl }
    return {
      cwd,
      ledger: simulator.ledger,
      run: (args: ReadonlyArray<string>) => Command.run(args, { cwd, env }),
      start: (args: ReadonlyArray<string>) => Command.start(args, { cwd, env })
    }
  })

const queues = [
  { name: "SQLite", queue: ["--queue", "sqlite:queue.sqlite"], skip: false },
  { name: "PostgreSQL", queue: ["--queue", postgresUrl], skip: !hasPostgres },
  { name: "Redis", queue: ["--queue", redisUrl, "--store", postgresUrl], skip: !hasPostgres || !hasRedis }
]

const basic = ["--schema", "person.ts#Person", "--input", "texts.txt", "--engine", "distributed", "--progress", "plain"]
const worker = ["worker", "--schema", "person.ts#Person", "--concurrency", "8"]

/** Lines without what depends on time. */
const values = (lines: ReadonlyArray<Command.OutputLine>) =>
  lines.map(({ id, index, status, value }) => ({ id, index, status, value }))

describe("run --engine distributed", () => {
  for (const { name, queue, skip } of queues) {
    it.live.skipIf(skip)(`writes what run writes, with workers on a queue in ${name}`, () =>
      Effect.gen(function*() {
        const { cwd, run, start } = yield* setup(60)
        const job = ["--job", uniqueName()]
        const direct = yield* run(["run", ...basic.slice(0, 4), "--ordered", "--output", "direct.jsonl"])
        assert.strictEqual(direct.code, 0, direct.stderr)
        const workers = [yield* start([...worker, ...queue]), yield* start([...worker, ...queue])]
        const args = ["run", ...basic, ...queue, ...job, "--chunk-size", "8", "--ordered"]
        const distributed = yield* run([...args, "--output", "out.jsonl"])
        assert.strictEqual(distributed.code, 0, distributed.stderr)
        assert.include(distributed.stderr, "60 succeeded, 0 failed")
        assert.deepStrictEqual(
          values(Command.readLines(cwd, "out.jsonl")),
          values(Command.readLines(cwd, "direct.jsonl"))
        )
        const parts = yield* run([...args, "--output", "part-{n}.jsonl", "--part-size", "25"])
        assert.strictEqual(parts.code, 0, parts.stderr)
        const names = fs.readdirSync(cwd).filter((name) => name.startsWith("part-")).toSorted()
        assert.deepStrictEqual(names, ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"])
        assert.strictEqual(
          names.map((name) => fs.readFileSync(path.join(cwd, name), "utf8")).join(""),
          fs.readFileSync(path.join(cwd, "out.jsonl"), "utf8")
        )
        const status = yield* run(["status", ...queue, ...job, "--json"])
        assert.deepInclude(JSON.parse(status.stdout), { state: "finished", succeeded: 60, failed: 0, waiting: 0 })
        for (const { child } of workers) child.kill("SIGTERM")
        for (const { ended } of workers) assert.strictEqual((yield* ended).signal, null)
      }), timeout)
  }

  it.live(
    "feeds without waiting, survives the death of a worker, and attaches to what is under way",
    () =>
      Effect.gen(function*() {
        const { cwd, ledger, run, start } = yield* setup(120, "100 millis")
        const queue = queues[0]!.queue
        const args = ["run", ...basic, ...queue, "--chunk-size", "16"]
        const fed = yield* run([...args, "--detach", "--output", "unused.jsonl"])
        assert.strictEqual(fed.code, 0, fed.stderr)
        assert.include(fed.stderr, "Fed 120 items in 8 chunks")
        const first = yield* start([...worker, ...queue])
        while ((yield* ledger).granted < 30) yield* Effect.sleep("20 millis")
        first.child.kill("SIGKILL")
        yield* start([...worker, ...queue])
        const collected = yield* run([...args, "--ordered", "--output", "out.jsonl"])
        assert.strictEqual(collected.code, 0, collected.stderr)
        const lines = Command.readLines(cwd, "out.jsonl")
        assert.deepStrictEqual(lines.map(({ index }) => index), Array.from({ length: 120 }, (_, i) => i))
        assert.isTrue(lines.every(({ status }) => status === "ok"))
        // At most what was in flight is sent again.
        assert.isAtMost((yield* ledger).granted, 128)
        assert.isFalse(fs.existsSync(path.join(cwd, "unused.jsonl")))
      }),
    timeout
  )

  it.live("gives the items of a worker back that is told to stop", () =>
    Effect.gen(function*() {
      const { ledger, run, start } = yield* setup(60, "100 millis")
      const queue = queues[0]!.queue
      yield* run(["run", ...basic, ...queue, "--detach", "--output", "-"])
      const first = yield* start([...worker, ...queue])
      while ((yield* ledger).granted < 10) yield* Effect.sleep("20 millis")
      first.child.kill("SIGTERM")
      yield* first.ended
      const rest = yield* run([...worker, ...queue, "--exit-when-idle", "1s"])
      assert.strictEqual(rest.code, 0, rest.stderr)
      assert.strictEqual((yield* ledger).granted, 60)
      const status = yield* run(["status", ...queue])
      assert.include(status.stdout, "finished, 60/60 done")
    }), timeout)

  it.live("explains what is missing or wrong", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup(3)
      const failure = (args: ReadonlyArray<string>) =>
        Effect.map(run(args), ({ code, stderr }) => {
          assert.strictEqual(code, 1, stderr)
          return stderr
        })
      const output = ["--output", "out.jsonl"]
      assert.include(yield* failure(["run", ...basic, ...output]), "needs --queue")
      assert.include(yield* failure(["run", ...basic, ...output, "--queue", "http://x"]), "none of postgres://")
      assert.include(yield* failure(["run", ...basic, ...output, "--queue", "redis://x"]), "needs --store")
      assert.include(
        yield* failure(["run", ...basic.slice(0, 4), ...output, "--queue", "sqlite:q"]),
        "--queue and --detach are for --engine distributed"
      )
      const refused = yield* failure(["status", "--queue", "postgres://someone:secret@127.0.0.1:1/none"])
      assert.include(refused, "Cannot connect to PostgreSQL")
      assert.notInclude(refused, "secret")
      fs.writeFileSync(path.join(cwd, "out.jsonl"), "mine\n")
      assert.include(yield* failure(["run", ...basic, ...output, "--queue", "sqlite:q.sqlite"]), "out.jsonl exists")
      assert.strictEqual(fs.readFileSync(path.join(cwd, "out.jsonl"), "utf8"), "mine\n")
    }), timeout)
})
