import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Snippets from "./snippets.ts"

const root = path.join(import.meta.dirname, "../..")
const { folder, snippets } = Snippets.write("snippets")

describe("snippets of the README, the docs and the docstrings", () => {
  it("are found", () => {
    assert.isAbove(snippets.filter(({ source }) => source.startsWith("README")).length, 1)
    assert.isAbove(snippets.filter(({ source }) => source.startsWith("src")).length, 5)
  })

  it("compile", { timeout: 60_000 }, () => {
    const project = path.join(folder, "tsconfig.json")
    fs.writeFileSync(
      project,
      JSON.stringify({
        extends: "../../../../tsconfig.json",
        compilerOptions: { noUnusedLocals: false },
        // Declarations of packages that have none, which the sources need.
        include: [".", path.join(root, "src/**/*.d.ts")],
        exclude: []
      })
    )
    const { stdout } = spawnSync("node_modules/.bin/tsc", ["-p", project], { cwd: root, encoding: "utf8" })
    assert.strictEqual(stdout, "")
  })

  // Whole programs are compiled above; the README's first one runs in readme.test.ts.
  for (const { file, source } of snippets.filter((snippet) => !Snippets.isProgram(snippet))) {
    it(`${source} runs and gives the values it states`, { timeout: 60_000 }, async () => {
      await import(file)
    })
  }
})
