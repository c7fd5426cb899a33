import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Snippets from "./snippets.ts"

const { folder, snippets } = Snippets.write("snippets")

describe("snippets", () => {
  it("are there", () => {
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
        include: ["."],
        exclude: []
      })
    )
    const { stdout } = spawnSync("node_modules/.bin/tsc", ["-p", project], {
      cwd: path.join(import.meta.dirname, "../.."),
      encoding: "utf8"
    })
    assert.strictEqual(stdout, "")
  })

  // Those of the README that run a whole program are programs: they run as such, in readme.test.ts.
  for (const { file, source } of snippets.filter(({ file }) => !Snippets.isProgram(file))) {
    it(`${source} runs and gives what it says`, async () => {
      await import(file)
    })
  }
})
