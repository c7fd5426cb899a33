import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import { runScript } from "../support/script.ts"
import * as Snippets from "./snippets.ts"

const root = path.join(import.meta.dirname, "../..")
const readText = (file: string): string => fs.readFileSync(path.join(root, file), "utf8")
const readme = readText("README.md")

const quickStart = Snippets.write("readme").snippets
  .find((snippet) => snippet.source.startsWith("README") && Snippets.isProgram(snippet))!.file

/** The anchors of a page's headings, as GitHub makes them. */
const anchors = (page: string): ReadonlyArray<string> =>
  Array.from(
    page.matchAll(/^#+ (.*)$/gm),
    ([, heading]) => `#${heading!.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")}`
  )

describe("README", () => {
  it.live("its quick start runs as written", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.make({
        answer: ({ text }) => ({ name: /John|Maria|Alex/.exec(text)?.[0] ?? null, age: Number(/\d+/.exec(text)?.[0]) })
      })
      const { code, stderr, stdout } = yield* runScript(quickStart, {
        OPENAI_API_KEY: "sk-test",
        OPENAI_BASE_URL: baseUrl
      })
      assert.strictEqual(stderr, "")
      assert.strictEqual(stdout, "John is 30\nJohn, Maria, Alex\n")
      assert.strictEqual(code, 0)
    }), 60_000)

  it.live("its quick start names the variable that is missing without a key", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* runScript(quickStart, {})
      assert.include(stdout + stderr, "OPENAI_API_KEY")
      assert.strictEqual(code, 1)
    }), 60_000)

  it("has at most 250 lines", () => {
    assert.isAtMost(readme.trimEnd().split("\n").length, 250)
  })

  it("names only commands that exist, and CI runs the ones it shows", () => {
    const commands = Array.from(readme.matchAll(/^```sh\n([\s\S]*?)^```/gm), (match) => match[1]!.trim().split("\n"))
      .flat()
      .map((line) => line.replace(/\s+#.*/, ""))
      .filter((line) => line.startsWith("npm ci"))
    const mentioned = Array.from(readme.matchAll(/`npm (?:run )?([\w:-]+)/g), (match) => match[1]!)
    const ci = readText(".ci/run")
    const scripts = JSON.parse(readText("package.json")).scripts
    assert.deepStrictEqual(commands, ["npm ci && npm start", "npm ci && npm test"])
    for (const command of commands) assert.include(ci, command)
    for (const command of mentioned.filter((name) => !["ci", "install"].includes(name))) {
      assert.property(scripts, command)
    }
  })
})

describe("the README, the docs and the contributing guide", () => {
  for (const page of [...Snippets.pages, "CONTRIBUTING.md"]) {
    it(`every file and heading that ${page} links to exists`, () => {
      const text = readText(page)
      for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue
        const [file, anchor] = target!.split("#")
        const linked = file === "" ? page : path.join(path.dirname(page), file!)
        assert.isTrue(fs.existsSync(path.join(root, linked)), target)
        if (anchor !== undefined && linked.endsWith(".md")) assert.include(anchors(readText(linked)), `#${anchor}`)
      }
    })
  }
})

describe("CHANGELOG", () => {
  it("begins with the version of the package", () => {
    const [newest] = /^## .*$/m.exec(readText("CHANGELOG.md")) ?? []
    assert.strictEqual(newest, `## ${JSON.parse(readText("package.json")).version}`)
  })
})
