import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Zlib from "node:zlib"
import * as Command from "../support/command.ts"

const timeout = 120_000

const texts = "Ada is 36\nAlan is 41\n"

const setup = (files: Readonly<Record<string, string | Uint8Array>>) =>
  Effect.gen(function*() {
    const { baseUrl } = yield* OpenAiSimulator.make({ answer: Command.answerPerson })
    const cwd = yield* Command.folder(files)
    const run = (...args: ReadonlyArray<string>) =>
      Command.run(["run", "-s", "{ name, age: int }", "-o", "-", "--ordered", ...args], {
        cwd,
        env: { OPENAI_BASE_URL: baseUrl }
      })
    return { cwd, run }
  })

describe("inputs", () => {
  it.live("may be compressed", () =>
    Effect.gen(function*() {
      const whole = Zlib.gzipSync(`text,n\nAda is 36,1\n`)
      const { run } = yield* setup({
        "texts.txt.zst": Zlib.zstdCompressSync(texts),
        "texts.csv.gz": whole,
        "cut.csv.gz": whole.subarray(0, whole.length - 12)
      })
      const zstd = yield* run("-i", "texts.txt.zst")
      assert.deepStrictEqual(Command.parseLines(zstd.stdout).map(({ value }) => value.age), [36, 41])
      const gzip = yield* run("-i", "texts.csv.gz")
      assert.deepStrictEqual(Command.parseLines(gzip.stdout).map(({ value }) => value.name), ["Ada"])
      const cut = yield* run("-i", "cut.csv.gz")
      assert.include(cut.stderr, "Cannot read cut.csv.gz: it is not whole gzip data")
      assert.strictEqual(cut.code, 1)
    }), timeout)

  it.live("may be a folder or a pattern, with each file as one text", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({})
      fs.mkdirSync(path.join(cwd, "people/more"), { recursive: true })
      fs.writeFileSync(path.join(cwd, "people/b.txt"), "Alan is 41")
      fs.writeFileSync(path.join(cwd, "people/more/a.md"), "Ada is 36")
      fs.writeFileSync(path.join(cwd, "people/picture.png"), new Uint8Array([0, 1]))
      const folder = yield* run("-i", "people")
      assert.deepStrictEqual(Command.parseLines(folder.stdout).map(({ id, value }) => [id, value.name]), [
        ["people/b.txt", "Alan"],
        ["people/more/a.md", "Ada"]
      ])
      const pattern = yield* run("-i", "people/*")
      assert.deepStrictEqual(Command.parseLines(pattern.stdout).map(({ error, id }) => [id, error?.reason]), [
        ["people/b.txt", undefined],
        ["1", "InvalidInput"]
      ])
      assert.strictEqual(pattern.code, 3)
      fs.mkdirSync(path.join(cwd, "empty"))
      const empty = yield* run("-i", "empty")
      assert.include(empty.stderr, "The folder empty has no texts: files that end with .txt")
      assert.strictEqual(empty.code, 1)
      const none = yield* run("-i", "nothing/*.txt")
      assert.include(none.stderr, "No file is named like nothing/*.txt")
      assert.strictEqual(none.code, 1)
    }), timeout)
})
