import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"

const timeout = 120_000

const args = (
  ...more: ReadonlyArray<string>
) => [
  "run",
  "--schema",
  "person.ts",
  "--input",
  "texts.txt",
  ...(more.includes("--output") ? [] : ["--output", "out.jsonl"]),
  ...more
]

const setup = (count: number, simulator: Partial<OpenAiSimulator.Options>) =>
  Effect.gen(function*() {
    const server = yield* OpenAiSimulator.make({ answer: Command.answerPerson, ...simulator })
    const cwd = yield* Command.folder({
      "person.ts": Command.personSchema,
      "texts.txt": `${Command.people(count).join("\n")}\n`
    })
    const env = { OPENAI_BASE_URL: server.baseUrl }
    const waitForRequests = (least: number) =>
      Effect.repeat(Effect.delay(server.ledger, "10 millis"), { until: ({ requests }) => requests >= least })
    return {
      cwd,
      at: (name: string) => path.join(cwd, name),
      ledger: server.ledger,
      waitForRequests,
      run: (...more: ReadonlyArray<string>) => Command.run(args(...more), { cwd, env }),
      start: (...more: ReadonlyArray<string>) => Command.start(args(...more), { cwd, env })
    }
  })

const isDistinct = (lines: ReadonlyArray<Command.OutputLine>) =>
  new Set(lines.map(({ index }) => index)).size === lines.length

describe("stopping", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(
      `finishes the items in flight after ${signal}, and exits with 130`,
      () =>
        Effect.gen(function*() {
          const { cwd, ledger, run, start, waitForRequests } = yield* setup(50, { latency: "700 millis" })
          const { child, ended } = yield* start("--concurrency", "4")
          yield* waitForRequests(6)
          child.kill(signal)
          // npx passes on a second one.
          yield* Effect.sleep("50 millis")
          child.kill(signal)
          const { code, stderr } = yield* ended
          assert.strictEqual(code, 130)
          assert.include(stderr, "run the same command again to resume")
          const { aborted, requests } = yield* ledger
          assert.strictEqual(aborted, 0)
          const lines = Command.readLines(cwd, "out.jsonl")
          assert.strictEqual(lines.length, requests)
          assert.isTrue(isDistinct(lines))
          assert.isBelow(requests, 50)
          assert.strictEqual((yield* run("--concurrency", "50", "--ordered")).code, 0)
          assert.strictEqual((yield* ledger).requests, 50)
          assert.deepStrictEqual(
            Command.readLines(cwd, "out.jsonl").map(({ index, value }) => [index, value.name]),
            Array.from({ length: 50 }, (_, i) => [i, `Person ${i}`])
          )
        }),
      timeout
    )
  }

  it.live("leaves items that take longer than --grace to the next run", () =>
    Effect.gen(function*() {
      const { cwd, ledger, start, waitForRequests } = yield* setup(10, { latency: "60 seconds" })
      const { child, ended } = yield* start("--concurrency", "4", "--grace", "100ms")
      yield* waitForRequests(4)
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 130)
      assert.strictEqual((yield* ledger).requests, 4)
      assert.deepStrictEqual(Command.readLines(cwd, "out.jsonl"), [])
    }), timeout)

  it.live("stops at once after a second signal", () =>
    Effect.gen(function*() {
      const { child, ended, waitForRequests } = yield* Effect.gen(function*() {
        const it = yield* setup(10, { latency: "60 seconds" })
        return { ...it, ...(yield* it.start("--concurrency", "4", "--progress", "json")) }
      })
      yield* waitForRequests(4)
      child.kill("SIGINT")
      yield* Effect.sleep("1 second")
      assert.isNull(child.exitCode)
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 130)
    }), timeout)

  it.live("resumes after kill -9 and torn last lines, and loses no recorded item", () =>
    Effect.gen(function*() {
      const { at, cwd, ledger, run, start, waitForRequests } = yield* setup(60, { latency: "100 millis" })
      let before = 0
      for (let kill = 0; kill < 3; kill++) {
        const { child, ended } = yield* start("--concurrency", "4")
        yield* waitForRequests(before + 10)
        child.kill("SIGKILL")
        yield* ended
        before = (yield* ledger).requests
        for (const name of ["out.jsonl", "out.jsonl.journal"]) fs.appendFileSync(at(name), `{"key":"0`)
      }
      assert.strictEqual((yield* run()).code, 0)
      const lines = Command.readLines(cwd, "out.jsonl")
      assert.strictEqual(lines.length, 60)
      assert.isTrue(isDistinct(lines))
      assert.isAtMost((yield* ledger).requests, 60 + 3 * 4)
    }), timeout)

  it.live("refuses an output that another process uses", () =>
    Effect.gen(function*() {
      const { run, start, waitForRequests } = yield* setup(10, { latency: "60 seconds" })
      yield* start()
      yield* waitForRequests(1)
      for (const more of [[], ["--restart"]]) {
        const { code, stderr } = yield* run(...more)
        assert.strictEqual(code, 1)
        assert.include(stderr, "out.jsonl.journal is in use by process")
      }
    }), timeout)

  it.live("exits quietly with 141 when its reader closes the pipe", () =>
    Effect.gen(function*() {
      const { cwd } = yield* setup(5, {})
      const { baseUrl } = yield* OpenAiSimulator.make({ answer: Command.answerPerson, latency: "20 millis" })
      fs.writeFileSync(path.join(cwd, "texts.txt"), Command.people(2000).join("\n"))
      const { child, ended } = yield* Command.start(
        ["run", "--schema", "person.ts", "--input", "texts.txt", "--output", "-", "--concurrency", "4", "--quiet"],
        { cwd, env: { OPENAI_BASE_URL: baseUrl } }
      )
      yield* Effect.callback<void>((resume) => {
        child.stdout!.once("data", () => resume(Effect.void))
      })
      child.stdout!.destroy()
      const { code, stderr } = yield* ended
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 141)
    }), timeout)

  it.live("reports a full disk, and resumes when there is room", (context) =>
    Effect.gen(function*() {
      const { cwd, ledger, run } = yield* setup(200, {})
      const small = path.join(cwd, "small")
      fs.mkdirSync(small)
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small])
      if (mounted.status !== 0) return context.skip("skipped: no tmpfs can be mounted here")
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", [small])))
      const full = yield* run("--output", "small/out.jsonl")
      assert.strictEqual(full.code, 4)
      assert.match(full.stderr, /Cannot write the output .*: ENOSPC.* Run the same command again to resume/)
      const before = (yield* ledger).requests
      assert.isBelow(before, 200)
      assert.strictEqual(spawnSync("mount", ["-o", "remount,size=4m", small]).status, 0)
      assert.strictEqual((yield* run("--output", "small/out.jsonl")).code, 0)
      assert.strictEqual(Command.readLines(small, "out.jsonl").length, 200)
      assert.isAtMost((yield* ledger).requests, 200 + 32)
    }), timeout)
})
