import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { pathToFileURL } from "node:url"

const src = pathToFileURL(path.join(import.meta.dirname, "../../src/")).href

/** Loads a module in a process of its own and prints the packages that our own modules import. */
const script = `
import { registerHooks } from "node:module"
const packages = new Set()
registerHooks({
  resolve: (specifier, context, next) => {
    const isOurs = context.parentURL?.startsWith("${src}")
    if (isOurs && !specifier.startsWith(".")) packages.add(/^(?:@[^/]+[/])?[^/]+/.exec(specifier)[0])
    return next(specifier, context)
  }
})
await import(process.argv[1])
console.log(JSON.stringify([...packages]))
`

const packages = (entry: string): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) =>
    execFile(
      process.execPath,
      ["--input-type=module", "--no-warnings", "-e", script, `${src}${entry}`],
      (error, stdout) => error === null ? resolve(JSON.parse(stdout)) : reject(error)
    )
  )

describe("effect-instructor/testing", () => {
  it("imports no package but effect", async () => {
    assert.deepStrictEqual(await packages("testing/index.ts"), ["effect"])
  })

  it("leaves the server to effect-instructor/testing/simulators", async () => {
    assert.include(await packages("testing/simulators/index.ts"), "@effect/platform-node")
  })
})
