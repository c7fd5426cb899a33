import { NodeRedis, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Persistence } from "effect/persistence"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { root } from "../../support/script.ts"

const count = 300

interface Worker {
  readonly halfway: Promise<void>
  /** The report that it printed, or `undefined` if it was killed. */
  readonly finished: Promise<
    { readonly sent: number; readonly right: number; readonly storeFailures: number } | undefined
  >
  readonly kill: () => void
}

const start = (kind: string, target: string, offset: number): Worker => {
  const child = spawn(process.execPath, [
    "--import",
    "tsx",
    "--conditions=effect-instructor/source",
    path.join(root, "test/support/cacheWorker.ts"),
    kind,
    target,
    String(count),
    String(offset)
  ], { cwd: root, env: { ...process.env, NODE_NO_WARNINGS: "1" }, stdio: ["ignore", "pipe", "inherit"] })
  let stdout = ""
  let onHalfway = () => {}
  const halfway = new Promise<void>((resolve) => onHalfway = resolve)
  child.stdout.on("data", (data) => {
    stdout += data
    if (stdout.includes("halfway\n")) onHalfway()
  })
  const finished = new Promise<Awaited<Worker["finished"]>>((resolve) =>
    child.on("close", () => {
      onHalfway()
      const line = stdout.split("\n").find((line) => line.startsWith("{"))
      resolve(line === undefined ? undefined : JSON.parse(line))
    })
  )
  return { halfway, finished, kill: () => child.kill("SIGKILL") }
}

const perfect = { right: count, storeFailures: 0 }

/** Two processes share their answers, and a third sends nothing. */
const share = (kind: string, target: string) =>
  Effect.promise(async () => {
    const [first, second] = [start(kind, target, 0), start(kind, target, count / 2)]
    const [one, other] = await Promise.all([first.finished, second.finished])
    // Each begins where the other ends, so few texts are requested by both.
    assert.isBelow(one!.sent + other!.sent, count * 1.5)
    assert.deepInclude(one, perfect)
    assert.deepInclude(other, perfect)
    assert.deepStrictEqual(await start(kind, target, 7).finished, { sent: 0, ...perfect })
  })

const survive = (kind: string, target: string) =>
  Effect.promise(async () => {
    const killed = [start(kind, target, 0), start(kind, target, count / 2)]
    await Promise.all(killed.map(({ halfway }) => halfway))
    for (const { kill } of killed) kill()
    await Promise.all(killed.map(({ finished }) => finished))
    const third = await start(kind, target, 0).finished
    assert.deepInclude(third, perfect)
    // The answers that the killed processes had paid for are in the cache.
    assert.isAtMost(third!.sent, count - 30)
  })

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-instructor-cache-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

const redis = NodeRedis.layer({ url: "redis://127.0.0.1:6379" })
const hasRedis = await Effect.runPromise(
  Effect.scoped(Effect.as(Layer.build(redis), true)).pipe(Effect.orElseSucceed(() => false))
)

/** A namespace for one test, cleared at its end. */
const namespace = Effect.acquireRelease(
  Effect.sync(() => `test-${process.pid}-${fs.mkdtempSync(path.join(os.tmpdir(), "n")).slice(-6)}`),
  (name) =>
    Effect.gen(function*() {
      const persistence = yield* Persistence.BackingPersistence
      const store = yield* persistence.make(`effect-instructor/2/${name}`)
      yield* store.clear
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(Persistence.layerBackingRedis, redis)), Effect.orDie)
)

describe("processes that share a cache", () => {
  it.live("share their answers in one SQLite file", () =>
    Effect.gen(function*() {
      yield* share("sqlite", path.join(yield* temporary, "answers.sqlite"))
    }), 180_000)

  it.live("find only whole answers in a SQLite file after kill -9", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "answers.sqlite")
      yield* survive("sqlite", file)
      const database = new DatabaseSync(file)
      assert.deepStrictEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" })
      database.close()
    }), 180_000)

  it.live(
    "find only whole answers in a directory after kill -9",
    () =>
      Effect.gen(function*() {
        const folder = yield* temporary
        yield* survive("files", folder)
        for (const file of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
          if (file.endsWith(".json")) JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"))
        }
      }).pipe(Effect.provide(NodeServices.layer)),
    180_000
  )

  const itRedis = hasRedis ? it.live : it.live.skip
  const note = hasRedis ? "" : " (no Redis at 127.0.0.1:6379)"

  itRedis(`share their answers in one Redis${note}`, () =>
    Effect.gen(function*() {
      yield* share("redis", yield* namespace)
    }), 180_000)

  itRedis(`find only whole answers in Redis after kill -9${note}`, () =>
    Effect.gen(function*() {
      yield* survive("redis", yield* namespace)
    }), 180_000)
})
