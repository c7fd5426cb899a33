/** The TypeScript of the README, the pages in `docs` and the docstrings, as modules that can be compiled and run. */
import * as fs from "node:fs"
import * as path from "node:path"

export interface Snippet {
  /** The file and the line of its fence. */
  readonly source: string
  readonly code: string
}

export interface Module extends Snippet {
  readonly file: string
}

const root = path.join(import.meta.dirname, "../..")

const filesBelow = (folder: string, extension: string): ReadonlyArray<string> =>
  fs.existsSync(path.join(root, folder))
    ? fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(extension))
      .map((file) => path.join(folder, file))
      .toSorted()
    : []

/** The README, the guide for coding agents, and the pages in `docs`. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  "AGENTS.md",
  ...filesBelow("ai-docs", ".md"),
  ...filesBelow("docs", ".md").filter((file) => !file.includes("node_modules"))
]

/** Every block fenced as `ts` in the given files. */
export const inFiles = (files: ReadonlyArray<string>): ReadonlyArray<Snippet> =>
  files.flatMap((file) => {
    const text = fs.readFileSync(path.join(root, file), "utf8")
    return Array.from(text.matchAll(/^([ *]*)```ts\n([\s\S]*?)^\1```/gm), (match) => {
      const line = text.slice(0, match.index).split("\n").length
      const code = match[2]!.split("\n").map((codeLine) => codeLine.slice(match[1]!.length)).join("\n")
      return { source: `${file}:${line}`, code }
    })
  })

/** Every snippet of the project. */
const all = (): ReadonlyArray<Snippet> => inFiles([...pages, ...filesBelow("src", ".ts")])

/** A name for a file that holds a snippet. */
export const fileName = ({ source }: Snippet): string => `${source.replace(/\W+/g, "-")}.ts`

/** Writes every snippet to a file of its own, in a folder that is not part of the repository. */
export const write = (name: string): { readonly folder: string; readonly snippets: ReadonlyArray<Module> } => {
  const folder = path.join(import.meta.dirname, "generated", name)
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  const snippets = all().map((snippet) => {
    const file = path.join(folder, fileName(snippet))
    fs.writeFileSync(file, withAssertions(snippet.code))
    return { ...snippet, file }
  })
  return { folder, snippets }
}

/** A line `expression // => value` states the value of the expression. */
const withAssertions = (code: string): string => {
  const asserted = code.replace(/^(.*\S) \/\/ => (.*)$/gm, "assert.deepStrictEqual($1, $2)")
  const assertion = asserted === code ? "" : "import assert from \"node:assert/strict\"\n"
  return `${assertion}${asserted}\nexport {}\n`
}

/** A program runs itself; anything else only has to be imported. */
export const isProgram = ({ code }: Snippet): boolean => code.includes("runMain(")
