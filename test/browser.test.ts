import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { chromium } from "playwright-core"
import { root, serveScript } from "./support/script.ts"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"
const here = fs.existsSync(executablePath)

describe(here ? "a page in a browser" : `skipped: no browser at ${executablePath} (set CHROMIUM)`, () => {
  it.live.skipIf(!here)("shows people one by one, as the model writes them", () =>
    Effect.gen(function*() {
      const url = yield* serveScript(path.join(root, "examples/streaming-to-browser.ts"), ["0"])
      const browser = yield* Effect.acquireRelease(
        // A browser in a container runs as root, which its sandbox refuses.
        Effect.promise(() => chromium.launch({ executablePath, args: ["--no-sandbox"] })),
        (browser) => Effect.promise(() => browser.close())
      )
      const { during, end, state } = yield* Effect.promise(async () => {
        const page = await browser.newPage()
        await page.goto(url)
        await page.locator("#people li").first().waitFor()
        const during = await page.locator("#state").textContent()
        await page.locator("#state", { hasText: "done" }).waitFor()
        return {
          during,
          end: await page.locator("#people li").allTextContents(),
          state: await page.locator("#state").textContent()
        }
      })
      assert.strictEqual(during, "reading…")
      assert.strictEqual(state, "done")
      assert.deepStrictEqual(end, ["Sarah, 38", "Alex, 42", "Michael, 45", "Maria, 25"])
    }), 60_000)
})
