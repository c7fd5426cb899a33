import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { chromium } from "playwright-core"
import { root, serveScript } from "./support/script.ts"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"
const here = fs.existsSync(executablePath)
const name = here ? "a page in a browser" : `skipped: no browser at ${executablePath} (set CHROMIUM)`

/** Runs in the page: notes what it shows each time it changes. */
const observe = `addEventListener("DOMContentLoaded", () => {
  window.shown = []
  const note = () => shown.push(document.querySelectorAll("#people li").length + " " + document.querySelector("#state").textContent)
  new MutationObserver(note).observe(document.body, { childList: true, subtree: true })
})`

// oxlint-disable-next-line vitest/valid-title
describe(name, () => {
  it.live.skipIf(!here)("shows people one by one, as the model writes them", () =>
    Effect.gen(function*() {
      const url = yield* serveScript(path.join(root, "examples/streaming-to-browser.ts"), ["0"])
      const browser = yield* Effect.acquireRelease(
        // A browser in a container runs as root, which its sandbox refuses.
        Effect.promise(() => chromium.launch({ executablePath, args: ["--no-sandbox"] })),
        (browser) => Effect.promise(() => browser.close())
      )
      const { people, shown } = yield* Effect.promise(async () => {
        const page = await browser.newPage()
        await page.addInitScript(observe)
        await page.goto(url)
        await page.locator("#state", { hasText: "done" }).waitFor()
        return { people: await page.locator("#people li").allTextContents(), shown: await page.evaluate("shown") }
      })
      assert.deepStrictEqual(shown, ["1 reading…", "2 reading…", "3 reading…", "4 reading…", "4 done"])
      assert.deepStrictEqual(people, ["Sarah, 38", "Alex, 42", "Michael, 45", "Maria, 25"])
    }), 60_000)
})
