import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, References, Result, Schema } from "effect"
import { Batch, Extraction, LlmCache } from "effect-instructor"
import { NodeLlmCache } from "effect-instructor/node"
import { MockLlm } from "effect-instructor/testing"
import { Persistence } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-instructor-store-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

interface Kind {
  readonly layer: (folder: string) => Layer.Layer<Persistence.BackingPersistence, unknown>
  /** Damages every answer in the store. */
  readonly damage: (folder: string) => void
}

const files: Kind = {
  layer: (folder) => LlmCache.layerStoreFiles({ directory: folder }).pipe(Layer.provide(NodeServices.layer)),
  damage: (folder) => {
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const file = path.join(folder, name)
      if (name.endsWith(".json")) fs.truncateSync(file, Math.floor(fs.statSync(file).size / 2))
    }
  }
}

const sqlite: Kind = {
  layer: (folder) => NodeLlmCache.layerSqlite({ path: path.join(folder, "answers.sqlite") }),
  damage: (folder) => {
    const database = new DatabaseSync(path.join(folder, "answers.sqlite"))
    database.exec("UPDATE effect_persistence SET value = substr(value, 1, 20)")
    database.close()
  }
}

const Echo = Schema.Struct({ echo: Schema.String })
const echoing = MockLlm.layer((request) => ({ echo: request.messages[1]?.content as string }))

const ask = (store: Layer.Layer<Persistence.BackingPersistence, unknown>) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* Extraction.extract(Echo, "x"), { echo: "x" })
    return {
      sent: (yield* MockLlm.requests).length,
      stats: yield* LlmCache.snapshot
    }
  }).pipe(Effect.provide(LlmCache.layer({ store, namespace: "a/../b: ü%" }).pipe(Layer.provideMerge(echoing))))

for (const [name, kind] of Object.entries({ files, sqlite })) {
  describe(`a cache in ${name}`, () => {
    it.effect("sets, expires, removes and clears entries", () =>
      Effect.gen(function*() {
        const persistence = yield* Persistence.BackingPersistence
        const [store, other] = [yield* persistence.make("one"), yield* persistence.make("other")]
        yield* store.set("a", { n: 1 }, undefined)
        yield* store.set("a", { n: 2 }, undefined)
        yield* store.setMany([["b", { n: 3 }, Duration.hours(1)], ["c", { n: 4 }, undefined]])
        assert.deepStrictEqual({ ...yield* store.get("a") }, { n: 2 })
        assert.deepStrictEqual(
          (yield* store.getMany(["b", "none", "c"])).map((value) => value && { ...value }),
          [{ n: 3 }, undefined, { n: 4 }]
        )
        assert.isUndefined(yield* other.get("a"))
        yield* TestClock.adjust("61 minutes")
        assert.isUndefined(yield* store.get("b"))
        yield* store.remove("a")
        yield* store.remove("none")
        assert.isUndefined(yield* store.get("a"))
        yield* other.set("a", { n: 5 }, undefined)
        yield* store.clear
        assert.isUndefined(yield* store.get("c"))
        assert.deepStrictEqual({ ...yield* other.get("a") }, { n: 5 })
      }).pipe(Effect.provide(Layer.unwrap(Effect.map(temporary, kind.layer)))))

    it.effect("misses damaged answers, and replaces them", () =>
      Effect.gen(function*() {
        const folder = yield* temporary
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 1)
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 0)
        kind.damage(folder)
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 1)
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 0)
      }))

    it.effect("is a cache without a store if it cannot be opened", () =>
      Effect.gen(function*() {
        const folder = yield* temporary
        const obstacle = path.join(folder, "file")
        fs.writeFileSync(obstacle, "")
        const { sent, stats } = yield* ask(kind.layer(obstacle))
        assert.deepStrictEqual([sent, stats.storeFailures], [1, 1])
      }))

    it.effect("keeps ids and keys apart and inside its directory, whatever they contain", () =>
      Effect.gen(function*() {
        const outer = yield* temporary
        const folder = path.join(outer, "cache")
        fs.mkdirSync(folder)
        fs.writeFileSync(path.join(outer, "precious.json"), "{}")
        const ids = ["..", ".", "a", "A", "../..", "a/b", "/", "con", "unfinished", "é".repeat(300), "%2e%2e"]
        yield* Effect.gen(function*() {
          const persistence = yield* Persistence.BackingPersistence
          const stores = yield* Effect.forEach(ids, (id) => persistence.make(id))
          for (const [i, store] of stores.entries()) {
            for (const [j, key] of ids.entries()) yield* store.set(key, { place: [i, j] }, undefined)
          }
          for (const [i, store] of stores.entries()) {
            for (const [j, key] of ids.entries()) {
              assert.deepStrictEqual({ ...yield* store.get(key) }, { place: [i, j] })
            }
          }
          yield* stores[0]!.clear
          assert.isUndefined(yield* stores[0]!.get("a"))
          assert.deepStrictEqual({ ...yield* stores[1]!.get("a") }, { place: [1, 2] })
          yield* Effect.forEach(stores, (store) => store.clear)
        }).pipe(Effect.provide(kind.layer(folder)))
        assert.deepStrictEqual(fs.readdirSync(outer).toSorted(), ["cache", "precious.json"])
      }))

    it.effect("lets no other user read its files", () =>
      Effect.gen(function*() {
        const folder = path.join(yield* temporary, "cache")
        if (name === "sqlite") fs.mkdirSync(folder)
        yield* Effect.gen(function*() {
          const persistence = yield* Persistence.BackingPersistence
          yield* Effect.flatMap(persistence.make("one"), (store) => store.set("a", { n: 1 }, undefined))
          for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
            const { mode } = fs.statSync(path.join(entry.parentPath, entry.name))
            assert.strictEqual(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name)
          }
        }).pipe(Effect.provide(kind.layer(folder)))
      }))

    const Damage = Schema.Struct({
      seed: Schema.Int,
      kind: Schema.Literals(["flip", "flips", "zeros", "truncate", "swap"])
    })

    it.effect.prop(
      "gives no wrong answer after damage to its files, and goes on",
      [Damage],
      ([damage]) =>
        Effect.gen(function*() {
          const folder = yield* temporary
          const texts = Array.from({ length: 12 }, (_, i) => `text ${i} ${"x".repeat(i * 100)}`)
          const batch = Effect.gen(function*() {
            const results = yield* Batch.results(Echo, texts)
            assert.deepStrictEqual(
              results.map((result) => Result.isSuccess(result) ? result.success.echo : result.failure.message),
              texts
            )
          }).pipe(Effect.provide(LlmCache.layer({ store: kind.layer(folder) }).pipe(Layer.provide(echoing))))
          yield* batch
          damageFiles(folder, damage)
          yield* batch
          yield* batch
        }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")),
      { arbitrary: { runs: 40 }, timeout: 60_000 }
    )
  })
}

/** Damages files at places that follow from the seed. */
const damageFiles = (
  folder: string,
  { kind, seed }: { readonly kind: "flip" | "flips" | "zeros" | "truncate" | "swap"; readonly seed: number }
): void => {
  let random = Math.abs(seed) % 2 ** 31
  const next = (limit: number) => {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor(random / 2 ** 31 * limit)
  }
  const paths = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => path.join(parentPath, name))
  for (const file of paths) {
    const bytes = fs.readFileSync(file)
    const flip = () => bytes[next(bytes.length)]! ^= 1 << next(8)
    if (bytes.length === 0) continue
    switch (kind) {
      case "flip":
        flip()
        break
      case "flips":
        for (let i = 0; i < 200; i++) flip()
        break
      case "zeros": {
        const start = next(bytes.length)
        bytes.fill(0, start, Math.min(bytes.length, start + 512))
        break
      }
      case "swap": {
        const other = paths[next(paths.length)]!
        const content = fs.readFileSync(other)
        fs.writeFileSync(other, bytes)
        fs.writeFileSync(file, content)
        continue
      }
      case "truncate":
        break
    }
    fs.writeFileSync(file, kind === "truncate" ? bytes.subarray(0, next(bytes.length)) : bytes)
  }
}

describe("a cache in sqlite", () => {
  it.effect("does not change a file that is not a database", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const file = path.join(folder, "answers.sqlite")
      fs.writeFileSync(file, "important text, ".repeat(100))
      const { sent, stats } = yield* ask(sqlite.layer(folder))
      assert.deepStrictEqual([sent, stats.storeFailures], [1, 1])
      assert.strictEqual(fs.readFileSync(file, "utf8"), "important text, ".repeat(100))
    }))
})

describe("a cache in sqlite that another process has locked", () => {
  it.live("waits for the lock without blocking the event loop", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      yield* Effect.gen(function*() {
        const persistence = yield* Persistence.BackingPersistence
        const store = yield* persistence.make("one")
        const other = new DatabaseSync(path.join(folder, "answers.sqlite"))
        other.exec("BEGIN IMMEDIATE")
        const writes = yield* Effect.forkChild(
          Effect.forEach(["a", "b", "c"], (key) => store.set(key, { key }, undefined), { concurrency: "unbounded" })
        )
        let ticks = 0
        yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.delay(Effect.sync(() => ticks++), "2 millis"))
        assert.isUndefined(writes.pollUnsafe())
        assert.strictEqual(ticks, 20)
        // Readers do not wait for a writer.
        assert.isUndefined(yield* store.get("a"))
        other.exec("COMMIT")
        other.close()
        yield* Fiber.join(writes)
        assert.deepStrictEqual({ ...yield* store.get("c") }, { key: "c" })
      }).pipe(Effect.provide(sqlite.layer(folder)))
    }))

  it.live("opens the file once the lock is released", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const other = new DatabaseSync(path.join(folder, "answers.sqlite"))
      other.exec("CREATE TABLE t (a); BEGIN EXCLUSIVE")
      const opened = yield* Effect.forkChild(Effect.scoped(Layer.build(sqlite.layer(folder))))
      yield* Effect.sleep("30 millis")
      assert.isUndefined(opened.pollUnsafe())
      other.exec("COMMIT")
      other.close()
      yield* Fiber.join(opened)
    }))

  it.live("deletes expired answers when it is opened", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const database = new DatabaseSync(path.join(folder, "answers.sqlite"))
      const fill = (keys: number, ttl: Duration.Duration | undefined) =>
        Effect.gen(function*() {
          const persistence = yield* Persistence.BackingPersistence
          const store = yield* persistence.make("one")
          for (let key = 0; key < keys; key++) yield* store.set(`${key} ${ttl !== undefined}`, { key }, ttl)
        }).pipe(Effect.provide(sqlite.layer(folder)))
      const count = () => database.prepare("SELECT count(*) AS count FROM effect_persistence").get()!["count"]
      yield* fill(500, Duration.millis(1))
      yield* fill(3, undefined)
      yield* Effect.sleep("5 millis")
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => count() === 3 }).pipe(
        Effect.provide(sqlite.layer(folder))
      )
      database.close()
    }))
})

describe("a cache in files", () => {
  it.live("removes unfinished files of killed processes, and no newer ones", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const unfinished = path.join(folder, "unfinished")
      fs.mkdirSync(unfinished)
      for (const name of ["old", "new"]) fs.writeFileSync(path.join(unfinished, name), "{")
      fs.utimesSync(path.join(unfinished, "old"), 0, 0)
      yield* ask(files.layer(folder))
      assert.deepStrictEqual(fs.readdirSync(unfinished), ["new"])
    }))
})
