import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as LockFile from "../../../src/node/journal/internal/lockFile.ts"

describe("lockFile", () => {
  it.effect("gives a lock back that another process took over while a stale one was being removed", () =>
    Effect.gen(function*() {
      const system = yield* FileSystem.FileSystem
      const directory = yield* system.makeTempDirectoryScoped()
      const journal = path.join(directory, "batch.journal")
      const lock = `${journal}.lock`
      const stale = JSON.stringify({ pid: 2 ** 30, host: os.hostname(), began: null })
      const other = JSON.stringify({ pid: process.pid, host: os.hostname(), began: null })
      fs.writeFileSync(lock, stale)
      const error = yield* Effect.flip(Effect.scoped(LockFile.acquire(journal))).pipe(
        Effect.provideService(FileSystem.FileSystem, {
          ...system,
          rename: (from, to) =>
            Effect.andThen(
              Effect.sync(() => {
                if (fs.readFileSync(lock, "utf8") === stale) fs.writeFileSync(lock, other)
              }),
              system.rename(from, to)
            )
        })
      )
      assert.strictEqual(error.reason._tag, "Locked")
      assert.strictEqual(fs.readFileSync(lock, "utf8"), other)
      assert.deepStrictEqual(fs.readdirSync(directory), ["batch.journal.lock"])
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})
