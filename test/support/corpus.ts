/** Other people's data, kept beside the project: real documents and real schemas. */
import * as fs from "node:fs"
import * as path from "node:path"

const folder = process.env["CORPUS_DIR"] ?? path.join(import.meta.dirname, "../../../shared/data")

/** The rows of one of its files, or `undefined` where there is no corpus. */
export const rows = <A>(file: string): ReadonlyArray<A> | undefined => {
  const name = path.join(folder, file)
  if (!fs.existsSync(name)) return undefined
  return fs.readFileSync(name, "utf8").trim().split("\n").map((line) => JSON.parse(line))
}

/** What a test that needs the corpus says where there is none. */
export const missing = `skipped: no corpus in ${folder} (set CORPUS_DIR)`
