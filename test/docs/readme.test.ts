import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import { runScript } from "../support/script.ts"
import * as Snippets from "./snippets.ts"

const root = path.join(import.meta.dirname, "../..")
const readme = fs.readFileSync(path.join(root, "README.md"), "utf8")

const [quickStart] = Snippets.write("readme").snippets
  .filter(({ file, source }) => source.startsWith("README") && Snippets.isProgram(file))
  .map(({ file }) => file)

describe("README", () => {
  it.live("its quick start runs as it stands", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.make({
        answer: ({ text }) => ({ name: /John|Maria|Alex/.exec(text)?.[0] ?? null, age: Number(/\d+/.exec(text)?.[0]) })
      })
      const { code, stderr, stdout } = yield* runScript(quickStart!, {
        OPENAI_API_KEY: "sk-test",
        OPENAI_BASE_URL: baseUrl
      })
      assert.strictEqual(stderr, "")
      assert.strictEqual(stdout, "John is 30\nJohn, Maria, Alex\n")
      assert.strictEqual(code, 0)
    }), 60_000)

  it.live("its quick start says what is missing when there is no key", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* runScript(quickStart!, {})
      assert.include(stdout + stderr, "OPENAI_API_KEY")
      assert.strictEqual(code, 1)
    }), 60_000)

  it("every command in it is one that CI runs", () => {
    const commands = Array.from(readme.matchAll(/^```sh\n([\s\S]*?)^```/gm), (match) => match[1]!.trim().split("\n"))
      .flat()
      .map((line) => line.replace(/\s+#.*/, ""))
    const mentioned = Array.from(readme.matchAll(/`(npm (?:run )?[\w:-]+)`/g), (match) => match[1]!)
    const ci = fs.readFileSync(path.join(root, ".ci/run"), "utf8")
    const scripts = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).scripts
    assert.deepStrictEqual(commands, ["npm ci && npm start", "npm ci && npm test"])
    for (const command of commands) for (const part of command.split(" && ")) assert.include(ci, part)
    for (const command of mentioned) assert.property(scripts, command.replace(/^npm (run )?/, ""))
  })

  it("every file and heading it links to is there", () => {
    const headings = Array.from(
      readme.matchAll(/^#+ (.*)$/gm),
      ([, heading]) => `#${heading!.toLowerCase().replace(/[^\w ]/g, "").replaceAll(" ", "-")}`
    )
    for (const [, target] of readme.matchAll(/\]\(([^)]+)\)/g)) {
      if (target!.startsWith("#")) assert.include(headings, target)
      else if (!target!.startsWith("http")) assert.isTrue(fs.existsSync(path.join(root, target!)), target)
    }
  })
})
