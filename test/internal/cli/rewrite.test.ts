import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Result, Schema } from "effect"
import { Extraction, Journal, Usage } from "effect-instructor"
import * as Lines from "../../../src/cli/output/lines.ts"
import * as Rewrite from "../../../src/cli/output/rewrite.ts"
import * as Disk from "../chaos/disk.ts"
import * as Process from "../chaos/process.ts"
import * as Random from "../chaos/random.ts"

const path = "/out.jsonl"

const lineOf = (id: string, index: number): string =>
  `${JSON.stringify({ index, id, status: "ok", value: { echo: `echo ${index}` }, attempts: 1, usage: Usage.zero })}\n`

const record = (id: string, index: number): Journal.JournalRecord => ({
  index,
  id,
  status: "ok",
  answer: { echo: `echo ${index}` },
  attempts: 1,
  usage: Usage.zero,
  latencyMillis: 1
})

/** Rewrites an output whose journal has the items `a` and `b`. */
const rewrite = (old: ReadonlyArray<string | Uint8Array>) =>
  Effect.scoped(Effect.gen(function*() {
    const disk = Disk.make(() => 0)
    disk.put(path, Buffer.concat(old.map((part) => Buffer.from(part))))
    const { fileSystem } = Process.make({ disk, random: Random.make(1), began: "1" })
    const journal = yield* Journal.Journal
    yield* journal.begin
    const ids = ["a", "b"]
    const claims = yield* journal.claim(ids.map((id, index) => ({ index, id, content: id })))
    for (const [index, claim] of claims.entries()) yield* journal.commit(claim, record(ids[index]!, index))
    const lines = yield* Effect.fromResult(
      Lines.make(Extraction.make<unknown, never, string>({ schema: Schema.Struct({ echo: Schema.String }) }))
    )
    const rewritten = yield* Rewrite.rewrite({ path, journal, lines, reach: "part", ordered: false }).pipe(
      Effect.provideService(FileSystem.FileSystem, fileSystem)
    )
    return { rewritten, text: Buffer.from(disk.read(path)!).toString() }
  })).pipe(Effect.provide(Journal.layerMemory))

const both = lineOf("a", 0) + lineOf("b", 1)

describe("rewriting an output", () => {
  it.effect("keeps lines that the journal has lost, and those that someone has added", () =>
    Effect.gen(function*() {
      const { rewritten, text } = yield* rewrite([lineOf("lost", 7), "# a note\n", lineOf("a", 0)])
      assert.strictEqual(text, `${both}${lineOf("lost", 7)}# a note\n`)
      assert.deepStrictEqual(rewritten, { lines: 3, errors: 0 })
    }))

  it.effect("drops what a power failure has left of lines: zeros", () =>
    Effect.gen(function*() {
      const { text } = yield* rewrite([new Uint8Array(300), lineOf("b", 1).slice(40), new Uint8Array(9)])
      assert.strictEqual(text, both)
    }))

  it.effect("drops a line whose id was damaged, whether it is UTF-8 or not", () =>
    Effect.gen(function*() {
      const bytes = Buffer.from(lineOf("a", 0))
      bytes[bytes.indexOf(`"a"`) + 1]! ^= 0x80
      const { text } = yield* rewrite([bytes, lineOf("q", 1)])
      assert.strictEqual(text, both)
    }))

  it.effect("keeps a line with another value under an index that the journal has", () =>
    Effect.gen(function*() {
      const other = lineOf("q", 1).replace("echo 1", "another value")
      assert.strictEqual((yield* rewrite([other])).text, both + other)
    }))
})

it("a line of an output is the one that these tests write", () => {
  const lines = Result.getOrThrow(
    Lines.make(Extraction.make<unknown, never, string>({ schema: Schema.Struct({ echo: Schema.String }) }))
  )
  return Effect.runPromise(Effect.map(lines.ofRecord(record("a", 0), 0), ({ text }) => {
    assert.strictEqual(text, lineOf("a", 0))
  }))
})
