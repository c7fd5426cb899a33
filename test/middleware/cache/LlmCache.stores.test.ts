import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { Extraction, LlmCache, LlmCacheFiles } from "effect-instructor"
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
  /** Spoils every answer there is. */
  readonly spoil: (folder: string) => void
}

const files: Kind = {
  layer: (folder) => LlmCacheFiles.layer({ directory: folder }).pipe(Layer.provide(NodeServices.layer)),
  spoil: (folder) => {
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const file = path.join(folder, name)
      if (name.endsWith(".json")) fs.truncateSync(file, Math.floor(fs.statSync(file).size / 2))
    }
  }
}

const sqlite: Kind = {
  layer: (folder) => NodeLlmCache.layerSqlite({ path: path.join(folder, "answers.sqlite") }),
  spoil: (folder) => {
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
      stats: yield* LlmCache.LlmCache.use((cache) => cache.stats)
    }
  }).pipe(Effect.provide(LlmCache.layer({ store, namespace: "a/../b: ü%" }).pipe(Layer.provideMerge(echoing))))

for (const [name, kind] of Object.entries({ files, sqlite })) {
  describe(`a cache in ${name}`, () => {
    it.effect("keeps, forgets in time, removes and clears", () =>
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

    it.effect("misses what is spoiled, and mends it", () =>
      Effect.gen(function*() {
        const folder = yield* temporary
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 1)
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 0)
        kind.spoil(folder)
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 1)
        assert.strictEqual((yield* ask(kind.layer(folder))).sent, 0)
      }))

    it.effect("that cannot be opened is a cache without a store", () =>
      Effect.gen(function*() {
        const folder = yield* temporary
        const inTheWay = path.join(folder, "file")
        fs.writeFileSync(inTheWay, "")
        const { sent, stats } = yield* ask(kind.layer(inTheWay))
        assert.deepStrictEqual([sent, stats.storeFailures], [1, 1])
      }))
  })
}

describe("a cache in sqlite", () => {
  it.effect("leaves a file alone that is no database", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const file = path.join(folder, "answers.sqlite")
      fs.writeFileSync(file, "precious words, ".repeat(100))
      const { sent, stats } = yield* ask(sqlite.layer(folder))
      assert.deepStrictEqual([sent, stats.storeFailures], [1, 1])
      assert.strictEqual(fs.readFileSync(file, "utf8"), "precious words, ".repeat(100))
    }))
})

describe("a cache in files", () => {
  it.live("sweeps up what a killed process left half written, and nothing newer", () =>
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
