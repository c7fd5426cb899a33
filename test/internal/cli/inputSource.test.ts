import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schema, Stdio, Stream } from "effect"
import * as InputSource from "../../../src/cli/input/inputSource.ts"
import * as JsonArray from "../../../src/cli/input/jsonArray.ts"

type Options = Omit<InputSource.Options, "path" | "fields"> & InputSource.Options["fields"]

interface Some extends Partial<Options> {
  readonly name?: string
}

/** The ids and texts of an input, or what is wrong with its rows, or with all of it. */
const read = (content: string | Uint8Array, { name = "-", text, id, ...rest }: Some = {}, chunkSize = 7) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const path = name === "-" ? name : `${folder}/${name}`
    const bytes = typeof content === "string" ? Buffer.from(content) : content
    if (name !== "-") yield* fs.writeFile(path, bytes)
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / chunkSize) },
      (_, i) => bytes.subarray(i * chunkSize, (i + 1) * chunkSize)
    )
    const { rows } = yield* InputSource.open({
      path,
      fields: { text, id },
      limit: undefined,
      format: undefined,
      delimiter: undefined,
      ...rest
    }).pipe(Effect.provide(Stdio.layerTest({ stdin: Stream.fromIterable(chunks) })))
    const all = yield* Stream.runCollect(rows)
    return all.map((row) =>
      row._tag === "Text" ? row.id === undefined ? row.text : [row.id, row.text] : row.description
    )
  }).pipe(
    Effect.catchTag("CommandFailure", ({ message }) => Effect.succeed(message.replace(/\/\S*\//g, ""))),
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )

const cases: ReadonlyArray<
  readonly [what: string, content: string, options: Some, expected: string | ReadonlyArray<unknown>]
> = [
  ["a TSV", "name\ttext\nAda\tShe said \"hi\"\nAlan\t\"a\tb\"\n", { name: "a.tsv", id: "name" }, [
    ["Ada", `She said "hi"`],
    ["Alan", "a\tb"]
  ]],
  ["a TSV in capitals", "text\na\n", { name: "A.TSV" }, ["a"]],
  ["a JSON array", `[{"text":"a"},\n {"text":"b"}]`, { name: "a.json" }, ["a", "b"]],
  ["a JSON array of strings", `\uFEFF [ "a, [b]" , "c\\"]" ] \n`, { name: "a.json" }, ["a, [b]", `c"]`]],
  ["a JSON array with something else in it", `[1, {"txt":"a"}, {"text":"b"}, nonsense]`, { name: "a.json" }, [
    "Item 1 is neither a JSON object nor a JSON string",
    `Item 2 has no field "text". Its fields are txt`,
    "b",
    `Item 4 is not JSON: SyntaxError: Unexpected token 'o', "nonsense" is not valid JSON`
  ]],
  ["an empty JSON array", "[ ]", { name: "a.json" }, "a.json is empty"],
  ["an empty file", " \n", { name: "a.txt" }, "a.txt is empty"],
  ["nothing", "", {}, "Standard input is empty"],
  ["a lonely bracket", "[", {}, "Standard input ends before its array does: it is incomplete"],
  ["a JSON array that is cut off", `["a","b`, { name: "a.json" }, [
    "a",
    "The input ends before its array does: it is incomplete"
  ]],
  ["something behind a JSON array", `["a"]["b"]`, { name: "a.json" }, [
    "a",
    "The input has something behind its array"
  ]],
  [
    "JSON that is no array",
    `{"text":"a"}`,
    { name: "a.json" },
    "a.json is not a JSON array. If it has a JSON value on each line, use --format jsonl"
  ],
  ["JSON lines in a .json", `{"text":"a"}\n`, { name: "a.json", format: "jsonl" }, ["a"]],
  [
    "an unknown extension",
    "a\n",
    { name: "a.dat" },
    "Cannot tell the format of a.dat, because its name ends with none of .jsonl, .ndjson, .json, .csv, .tsv, .txt. " +
    "Say what it is with --format"
  ],
  [
    "no extension",
    "a\n",
    { name: "a" },
    "Cannot tell the format of a, because its name ends with none of " +
    ".jsonl, .ndjson, .json, .csv, .tsv, .txt. Say what it is with --format"
  ],
  ["a named format", "a\n", { name: "a.dat", format: "txt" }, ["a"]],
  ["a delimiter", "id;text\n1;a,b\n", { name: "a.csv", delimiter: ";", id: "id" }, [["1", "a,b"]]],
  ["a delimiter by its name", "id\ttext\n1\ta\n", { name: "a.csv", delimiter: "tab" }, ["a"]],
  ["a delimiter in a file of another name", "id|text\n1|a\n", { name: "a.dat", delimiter: "|" }, ["a"]],
  [
    "a delimiter of two characters",
    "a\n",
    { delimiter: "::" },
    `The delimiter has to be one character or tab, got "::"`
  ],
  [
    "a delimiter without a table",
    "a\n",
    { name: "a.txt", delimiter: ";" },
    "a.txt is not read as a table, so it has no delimiter. Use --format csv"
  ],
  [
    "another delimiter than it has",
    "id;text\n1;a\n",
    { name: "a.csv" },
    `a.csv has one column, "id;text". If it has more, use --delimiter ";"`
  ],
  [
    "two columns of the text's name",
    "id,text,text\n1,a,b\n",
    { name: "a.csv" },
    `a.csv has more than one column "text". Rename the others`
  ],
  [
    "fields of lines of text",
    "a\n",
    { name: "a.txt", text: "bio" },
    "a.txt is read as lines of text, which have no fields. Leave out --text-field and --id-field, or use --format"
  ],
  ["CSV on standard input", "id,bio\n1,\"a\n\nb\"\n", { text: "bio", id: "id" }, [["1", "a\n\nb"]]],
  ["TSV on standard input", "id\tbio\n1\ta\n", { text: "bio" }, ["a"]],
  [
    "a column that standard input does not have",
    "id,bio\n1,a\n",
    { text: "about" },
    `Standard input has no column "about". Its columns are id, bio. Select one with --text-field`
  ],
  ["JSON lines on standard input", `\n{"bio":"a"}\n`, { text: "bio" }, ["a"]],
  ["a JSON array on standard input", `[\n  {"bio":"a"}\n]\n`, { text: "bio" }, ["a"]],
  ["a text that looks a little like JSON", "[1] a\n", {}, ["[1] a"]],
  ["text on standard input", "\na\n\n b\n", {}, ["a", " b"]],
  ["ids that a double does not hold", `{"id":9007199254740993,"text":"a"}\n{"id":9007199254740992,"text":"b"}\n`, {
    name: "a.jsonl",
    id: "id"
  }, [["9007199254740993", "a"], ["9007199254740992", "b"]]],
  [
    "ids of all kinds of numbers",
    `{"a":{"id":2},"id":1.0,"text":"a"}\n{"id":1e400,"text":"b"}\n{"id":7,"text":"12345678901234567890"}\n`,
    { name: "a.jsonl", id: "id" },
    [["1", "a"], ["1e400", "b"], ["7", "12345678901234567890"]]
  ]
]

describe("inputSource", () => {
  for (const [what, content, options, expected] of cases) {
    it.effect(`reads ${what}`, () =>
      Effect.gen(function*() {
        for (const chunkSize of [1, 7, 1000]) assert.deepStrictEqual(yield* read(content, options, chunkSize), expected)
      }))
  }

  it.prop(
    "splits a JSON array as JSON.parse does",
    [Schema.Array(Schema.Json), Schema.Boolean],
    ([values, isPretty]) => {
      const bytes = Buffer.from(JSON.stringify(values, null, isPretty ? 2 : 0))
      const elements: Array<unknown> = []
      const array = JsonArray.make(Infinity, (element) => elements.push(JSON.parse(Buffer.from(element!).toString())))
      for (let at = 0; at < bytes.length; at += 3) assert.isUndefined(array.push(bytes.subarray(at, at + 3)))
      assert.isUndefined(array.end())
      assert.deepStrictEqual(elements, JSON.parse(bytes.toString()))
    }
  )

  it.effect("reports an item that is too long, or that is not UTF-8", () =>
    Effect.gen(function*() {
      const long = `["a","${"x".repeat(17 * 1024 * 1024)}","b"]`
      assert.deepStrictEqual(yield* read(long, { name: "a.json" }, 1_000_000), [
        "a",
        "Item 2 is longer than 16 MB",
        "b"
      ])
      const wrong = Buffer.concat([Buffer.from(`["a","`), Buffer.from([0xff]), Buffer.from(`","b"]`)])
      assert.deepStrictEqual(yield* read(wrong, { name: "a.json" }), ["a", "Item 2 is not valid UTF-8", "b"])
    }))
})
