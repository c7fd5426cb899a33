import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"
import { root } from "../support/script.ts"

const timeout = 240_000

const files: Readonly<Record<string, string | Uint8Array>> = {
  "person.ts": Command.personSchema,
  "texts.txt": "Ada is 36\n",
  "two.ts": `${Command.personSchema}\nexport const City = Schema.String\nexport const n = 1`,
  "none.ts": "export const n = 1",
  "throws.ts": `throw new TypeError("not today")`,
  "broken.ts": "export const = 1",
  "unsendable.ts": `import { Schema } from "effect"\nexport const Any = Schema.Struct({ any: Schema.Never })`,
  "broken.json": "{",
  "list.json": "[]",
  "binary.txt": new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 0, 0]),
  "utf16.txt": Buffer.from("\uFEFFAda is 36\n", "utf16le"),
  "empty.txt": "",
  "blank.jsonl": "\n\n  \n",
  "bios.csv": "name,bio\nAda,Ada is 36\n",
  "header.csv": "name,bio\n",
  "instructions.txt": "Who is it?"
}

/** Usage errors and their messages. Nothing is sent or written. */
const wrong: ReadonlyArray<readonly [name: string, args: string, sentence: string]> = [
  ["a missing schema", "--schema nowhere.ts", "Cannot read the schema nowhere.ts: the file does not exist"],
  [
    "a schema of another kind",
    "--schema texts.txt",
    "Cannot read the schema texts.txt: use a .ts or .js module, or a JSON Schema in a .json file"
  ],
  [
    "a missing export",
    "--schema two.ts#Town",
    "two.ts has no export Town. Its schemas and extractions are City, Person"
  ],
  ["an export that is neither", "--schema two.ts#n", "exports n, which is neither a Schema nor an Extraction"],
  ["several exports", "--schema two.ts", "two.ts exports several schemas. Name one of them with #: City, Person"],
  ["no schema among the exports", "--schema none.ts", "none.ts exports no Schema and no Extraction"],
  ["a module that throws", "--schema throws.ts", "Cannot load the schema module throws.ts: TypeError: not today"],
  ["a module with a syntax error", "--schema broken.ts", "Cannot load the schema module broken.ts: SyntaxError"],
  ["a schema that cannot be sent", "--schema unsendable.ts", "The schema cannot be sent: at $.any"],
  ["a document that is not JSON", "--schema broken.json", "The schema broken.json is not JSON"],
  ["a document that is no JSON Schema", "--schema list.json", "it is not a JSON Schema document"],
  ["a missing input", "--input nowhere.txt", "Cannot read nowhere.txt: the file does not exist"],
  ["a binary input", "--input binary.txt", "Cannot read binary.txt: it is binary, or text that is not UTF-8"],
  ["an input in UTF-16", "--input utf16.txt", "it is binary, or text that is not UTF-8"],
  ["an empty input", "--input empty.txt", "empty.txt is empty"],
  ["an input of blank lines", "--input blank.jsonl", "blank.jsonl is empty"],
  [
    "a CSV with only a header",
    "--input header.csv --text-field bio",
    "header.csv is empty"
  ],
  [
    "a CSV without the column",
    "--input bios.csv",
    `bios.csv has no column "text". Its columns are name, bio. Select one with --text-field`
  ],
  ["a CSV without the id", "--input bios.csv --text-field bio --id-field key", `bios.csv has no column "key"`],
  ["an output in no directory", "--output no/where.jsonl", "Cannot write the output no/where.jsonl: ENOENT"],
  ["an output that is a directory", "--output node_modules", "Cannot write the output node_modules: EISDIR"],
  ["an output that is the input", "--output ./texts.txt", "The output ./texts.txt is the input itself"],
  ["a file that is not a journal", "--journal instructions.txt", "instructions.txt is not a journal"],
  ["a journal that is the input", "--journal texts.txt", "The journal texts.txt is the input itself"],
  [
    "missing instructions",
    "--instructions-file nowhere.txt",
    "Cannot read the instructions nowhere.txt: the file does not exist"
  ],
  ["instructions twice", "--instructions a --instructions-file instructions.txt", "not both"],
  ["a time without a unit", "--timeout 60", "Expected a duration such as 500ms, 60s, 2m or 1h"],
  ["no concurrency", "--concurrency 0", "Expected a whole number above 0"],
  ["an unknown mode", "--mode xml", "xml"],
  ["a typo", "--shema person.ts", "--schema"]
]

const complete = (args: string): ReadonlyArray<string> => {
  const given = args.split(" ")
  const standard = [["--schema", "person.ts"], ["--input", "texts.txt"], ["--output", "out.jsonl"]] as const
  return ["run", ...standard.filter(([flag]) => !given.includes(flag)).flat(), ...given]
}

describe("usage", () => {
  it.live(
    "reports a usage error in a sentence, and exits with 1 before anything is sent",
    () =>
      Effect.gen(function*() {
        const { baseUrl, ledger } = yield* OpenAiSimulator.make({ answer: Command.answerPerson })
        const cwd = yield* Command.folder(files)
        yield* Effect.forEach(wrong, ([name, args, sentence]) =>
          Effect.gen(function*() {
            const { code, stderr, stdout } = yield* Command.run(complete(args), {
              cwd,
              env: { OPENAI_BASE_URL: baseUrl }
            })
            assert.include(stderr, sentence, name)
            assert.notMatch(stderr, /^\s+at /m, name)
            assert.strictEqual(stdout, "", name)
            assert.strictEqual(code, 1, name)
          }), { concurrency: 2, discard: true })
        assert.strictEqual((yield* ledger).requests, 0)
        assert.strictEqual(fs.readFileSync(path.join(cwd, "texts.txt"), "utf8"), "Ada is 36\n")
      }),
    timeout
  )

  it.live("reads and writes nothing without a key or a base URL", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder({})
      for (const args of [complete("--quiet"), ["extract", "--schema", "nowhere.ts", "text"]]) {
        const { code, stderr } = yield* Command.run(args, { cwd, env: { OPENAI_API_KEY: "" } })
        assert.include(stderr, "No model is configured. Set OPENAI_API_KEY")
        assert.strictEqual(code, 1)
      }
      assert.sameMembers(fs.readdirSync(cwd), ["node_modules", "package.json"])
    }), timeout)

  it.live("sends the key, and shows it nowhere", () =>
    Effect.gen(function*() {
      const key = "sk-very-secret-key"
      const { baseUrl } = yield* OpenAiSimulator.make({ answer: Command.answerPerson, apiKey: "sk-another" })
      const cwd = yield* Command.folder(files)
      const { code, stderr } = yield* Command.run(complete("--log-level all"), {
        cwd,
        env: { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: key }
      })
      assert.strictEqual(code, 4)
      const written = ["out.jsonl", "out.jsonl.journal"].map((name) => fs.readFileSync(path.join(cwd, name), "utf8"))
      for (const text of [stderr, ...written]) assert.notInclude(text, key)
    }), timeout)

  it.live("refuses a schema that uses another copy of Effect", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder(files)
      fs.rmSync(path.join(cwd, "node_modules/effect"))
      fs.cpSync(path.join(root, "node_modules/effect"), path.join(cwd, "node_modules/effect"), {
        recursive: true,
        filter: (file) => !/\/(src|ai-docs)$|\.map$|\.d\.ts$/.test(file)
      })
      const { code, stderr } = yield* Command.run(["schema", "--schema", "person.ts"], { cwd })
      assert.include(stderr, "person.ts uses another copy of the effect package")
      assert.strictEqual(code, 1)
    }), timeout)

  it.live("prints help, version and completions to the standard output", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder({})
      const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
      for (
        const [args, words] of [
          [["--help"], ["run", "extract", "schema", "simulate"]],
          [["run", "--help"], ["--max-failures", "--retry-failures", "--dry-run"]],
          [["--version"], [version]],
          [["--completions", "bash"], ["effect-instructor"]]
        ] as const
      ) {
        const { code, stderr, stdout } = yield* Command.run(args, { cwd })
        for (const word of words) assert.include(stdout, word)
        assert.strictEqual(stderr, "")
        assert.strictEqual(code, 0)
      }
    }), timeout)

  it.live("wraps its help to the terminal", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder({})
      const { stdout } = yield* Command.runOnTerminal(["run", "--help"], { cwd })
      // oxlint-disable-next-line no-control-regex
      const lines = stdout.replaceAll(/\u001b\[[0-9;]*m/g, "").split(/\r?\n/)
      assert.isAbove(lines.length, 50)
      assert.deepStrictEqual(lines.filter((line) => line.length > 100 && line.trim().includes("  ")), [])
    }).pipe(Effect.scoped), timeout)
})
