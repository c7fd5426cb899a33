/** The TypeScript in the README and in the docstrings, as modules that can be compiled and run. */
import * as fs from "node:fs"
import * as path from "node:path"

export interface Snippet {
  /** Where it stands: a file and a line. */
  readonly source: string
  readonly file: string
}

const root = path.join(import.meta.dirname, "../..")

const filesBelow = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.join(folder, file))

/** Writes every snippet to a file of its own, in a folder that is not part of the repository. */
export const write = (name: string): { readonly folder: string; readonly snippets: ReadonlyArray<Snippet> } => {
  const folder = path.join(import.meta.dirname, "generated", name)
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  const sources = [path.join(root, "README.md"), ...filesBelow(path.join(root, "src"))]
  const snippets = sources.flatMap((file) => {
    const text = fs.readFileSync(file, "utf8")
    return Array.from(text.matchAll(/^([ *]*)```ts\n([\s\S]*?)^\1```/gm), (match) => {
      const line = text.slice(0, match.index).split("\n").length
      const source = `${path.relative(root, file)}:${line}`
      const code = match[2]!.split("\n").map((codeLine) => codeLine.slice(match[1]!.length)).join("\n")
      const out = path.join(folder, `${source.replace(/\W+/g, "-")}.ts`)
      fs.writeFileSync(out, withAssertions(code))
      return { source, file: out }
    })
  })
  return { folder, snippets }
}

/** A line `expression // => value` says what the expression gives. */
const withAssertions = (code: string): string => {
  const asserted = code.replace(/^(.*\S) \/\/ => (.*)$/gm, "assert.deepStrictEqual($1, $2)")
  const assertion = asserted === code ? "" : "import assert from \"node:assert/strict\"\n"
  return `${assertion}${asserted}\nexport {}\n`
}

/** A program runs itself; anything else only has to be imported. */
export const isProgram = (file: string): boolean => fs.readFileSync(file, "utf8").includes("runMain(")
