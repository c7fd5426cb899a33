import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { parquetWriteBuffer } from "hyparquet-writer"
import * as fs from "node:fs"
import * as Http from "node:http"
import * as path from "node:path"
import * as Zlib from "node:zlib"
import * as Command from "../support/command.ts"

const timeout = 120_000

const texts = "Ada is 36\nAlan is 41\n"

/** A PDF file of one page with a line of text, or without one. */
const pdf = (line: string | undefined): string => {
  const content = line === undefined ? "" : `BT /F1 12 Tf 20 250 Td (${line}) Tj ET`
  const objects = [
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
    `<</Length ${content.length}>>\nstream\n${content}\nendstream`,
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
  ]
  const bodies = objects.map((object, i) => `${i + 1} 0 obj\n${object}\nendobj\n`).join("")
  return `%PDF-1.4\n${bodies}trailer<</Size 6/Root 1 0 R>>\n%%EOF`
}

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

  it.live("may be HTML and PDF files, of which the text is sent", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({ "one.pdf": pdf("Ada is 36") })
      fs.mkdirSync(path.join(cwd, "docs"))
      for (
        const [name, content] of [
          ["a.html", "<title>No</title><style>p {}</style><p>Alan <b>is</b> <a href='x'>41</a></p><script>1</script>"],
          ["b.pdf", pdf("Grace is 85")],
          ["c.pdf", pdf(undefined)],
          ["d.pdf", "%PDF-1.4 and no more"],
          ["e.html", "<p></p>"],
          ["f.pdf", ""]
        ] as const
      ) fs.writeFileSync(path.join(cwd, "docs", name), content)
      const one = yield* run("-i", "one.pdf")
      assert.deepStrictEqual(Command.parseLines(one.stdout).map(({ id, value }) => [id, value]), [
        ["one.pdf", { name: "Ada", age: 36 }]
      ])
      const many = yield* run("-i", "docs")
      const lines = Command.parseLines(many.stdout)
      assert.deepStrictEqual(lines.slice(0, 2).map(({ id, value }) => [id, value]), [
        ["docs/a.html", { name: "Alan", age: 41 }],
        ["docs/b.pdf", { name: "Grace", age: 85 }]
      ])
      assert.include(lines[2]!.error!.message, "docs/c.pdf has no text: its pages may be pictures")
      assert.include(lines[3]!.error!.message, "docs/d.pdf cannot be read as PDF")
      assert.include(lines[4]!.error!.message, "The text in docs/e.html is empty")
      assert.include(lines[5]!.error!.message, "docs/f.pdf cannot be read as PDF")
      assert.strictEqual(many.code, 3)
    }).pipe(Effect.scoped), timeout)

  it.live("may be a Parquet file, with its columns as fields", () =>
    Effect.gen(function*() {
      const count = 2500
      const file = parquetWriteBuffer({
        columnData: [
          { name: "bio", data: Array.from({ length: count }, (_, i) => `P${i} is ${i % 90}`), type: "STRING" },
          {
            name: "key",
            data: Array.from({ length: count }, (_, i) => i === 2 ? 2n ** 60n : BigInt(i)),
            type: "INT64"
          }
        ]
      })
      const { run } = yield* setup({ "people.parquet": new Uint8Array(file), "bad.parquet": "PAR1 and no more" })
      const all = yield* run("-i", "people.parquet", "--text-field", "bio", "--id-field", "key", "-c", "64")
      const lines = Command.parseLines(all.stdout)
      assert.strictEqual(lines.length, count)
      assert.deepStrictEqual(lines.slice(0, 3).map(({ id }) => id), ["0", "1", String(2n ** 60n)])
      assert.deepStrictEqual(lines[2400]!.value, { name: "P2400", age: 60 })
      const wrong = yield* run("-i", "people.parquet", "-n", "1")
      assert.include(wrong.stdout, "InvalidInput")
      const bad = yield* run("-i", "bad.parquet")
      assert.include(bad.stderr, "Cannot read bad.parquet:")
      assert.strictEqual(bad.code, 1)
      const none = yield* run("-i", "none.parquet")
      assert.include(none.stderr, "Cannot read none.parquet:")
      assert.strictEqual(none.code, 1)
    }).pipe(Effect.scoped), timeout)

  it.live("may be behind a URL, whose query is secret", () =>
    Effect.gen(function*() {
      const bodies: Readonly<Record<string, readonly [body: Uint8Array | string, encoding?: string]>> = {
        "/a/texts.txt": [texts],
        "/texts.csv.gz": [Zlib.gzipSync("text\nAda is 36\n")],
        "/stored.csv.gz": [Zlib.gzipSync("text\nAda is 36\n"), "gzip"],
        "/odd": [`{"text":"Alan is 41"}\n`]
      }
      const server = Http.createServer((request, response) => {
        const found = bodies[request.url!.split("?")[0]!]
        if (request.url!.startsWith("/cut")) {
          response.writeHead(200, { "content-length": "1000" }).write("Ada is 36\n", () => response.destroy())
        } else if (found === undefined) {
          response.writeHead(403).end("secret")
        } else {
          response.writeHead(200, { ...(found[1] !== undefined && { "content-encoding": found[1] }) }).end(found[0])
        }
      })
      const base = yield* Effect.acquireRelease(
        Effect.promise(() =>
          new Promise<string>((resolve) =>
            server.listen(0, "127.0.0.1", () =>
              resolve(`http://127.0.0.1:${(server.address() as { readonly port: number }).port}`))
          )
        ),
        () =>
          Effect.sync(() =>
            server.close()
          )
      )
      const { run } = yield* setup({})
      for (
        const [url, ages] of [
          ["/a/texts.txt?signature=[abc]*", [36, 41]],
          ["/texts.csv.gz?X-Amz-Signature=abc", [36]],
          ["/stored.csv.gz", [36]],
          ["/odd", [41]]
        ] as const
      ) {
        const { code, stderr, stdout } = yield* run("-i", `${base}${url}`)
        assert.strictEqual(code, 0, stderr)
        assert.deepStrictEqual(Command.parseLines(stdout).map(({ value }): number => value.age), [...ages])
      }
      const refused = yield* run("-i", `${base}/none.txt?signature=abc`)
      assert.include(refused.stderr, "/none.txt: the server answered with status 403")
      const cut = yield* run("-i", `${base}/cut.txt?signature=abc`)
      assert.include(cut.stderr, "/cut.txt: the connection was lost")
      const unreachable = yield* run("-i", "http://127.0.0.1:1/texts.txt?signature=abc")
      assert.include(unreachable.stderr, "/texts.txt: the server cannot be reached")
      const parquet = yield* run("-i", `${base}/a/texts.txt/../../odd.parquet?signature=abc`)
      for (const { code, stderr } of [refused, unreachable, parquet]) {
        assert.strictEqual(code, 1)
        assert.notInclude(stderr, "abc")
      }
      assert.notInclude(cut.stderr, "abc")
    }).pipe(Effect.scoped), timeout)
})
