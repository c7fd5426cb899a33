/**
 * Ten tasks for coding agents. Each solution compiles, runs, and uses nothing that the guide in the package does not show:
 * `AGENTS.md` and the pages in `ai-docs`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"

const root = path.join(import.meta.dirname, "../..")
const folder = path.join(import.meta.dirname, "tasks")
const guides = ["AGENTS.md", ...fs.readdirSync(path.join(root, "ai-docs")).map((name) => `ai-docs/${name}`)]
const guide = guides.map((file) => fs.readFileSync(path.join(root, file), "utf8")).join("\n")

/** The members of the library's modules that a program uses: `Batch.all`. */
const usedBy = (code: string): ReadonlyArray<string> => {
  const modules = Array.from(
    code.matchAll(/import \{ (.+) \} from "effect-instructor/g),
    ([, names]) => names!.split(", ")
  )
    .flat()
  return Array.from(code.matchAll(new RegExp(`\\b(?:${modules.join("|")})\\.\\w+`, "g")), ([name]) => name)
}

describe("tasks for coding agents", () => {
  const names = fs.readdirSync(folder)

  it("are ten", () => {
    assert.strictEqual(names.length, 10)
  })

  for (const name of names) {
    const code = fs.readFileSync(path.join(folder, name), "utf8")
    it.live(`${name}: ${/Task: (.*?)(?: \*\/)?$/m.exec(code)![1]!}`, () =>
      Effect.gen(function*() {
        const { expected, solution } = yield* Effect.promise((): Promise<{
          readonly expected: unknown
          readonly solution: Effect.Effect<unknown, unknown>
        }> => import(path.join(folder, name)))
        assert.deepStrictEqual(yield* solution, expected)
        for (const member of usedBy(code)) {
          assert.include(guide, member, `the guide does not show ${member}`)
        }
      }), 60_000)
  }

  it("are not in the guide themselves", () => {
    for (const name of names) {
      assert.notInclude(guide, /Task: (.*?)(?: \*\/)?$/m.exec(fs.readFileSync(path.join(folder, name), "utf8"))![1]!)
    }
  })

  it("have a guide whose links lead to files of the package", () => {
    for (const file of guides) {
      const text = fs.readFileSync(path.join(root, file), "utf8")
      for (const [, target] of text.matchAll(/\]\(([^)#]+)\)/g)) {
        assert.isTrue(fs.existsSync(path.join(root, path.dirname(file), target!)), `${file}: ${target}`)
      }
    }
  })
})
