import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as path from "node:path"
import * as Browser from "./support/browser.ts"
import { root, serveScript } from "./support/script.ts"

/** Runs in the page: notes what it shows each time it changes. */
const observe = `addEventListener("DOMContentLoaded", () => {
  window.shown = []
  const note = () => shown.push(document.querySelectorAll("#people li").length + " " + document.querySelector("#state").textContent)
  new MutationObserver(note).observe(document.body, { childList: true, subtree: true })
})`

// oxlint-disable-next-line vitest/valid-title
describe(Browser.named("a page in a browser"), () => {
  it.live.skipIf(!Browser.isHere)("shows people one by one, as the model writes them", () =>
    Effect.gen(function*() {
      const url = yield* serveScript(path.join(root, "examples/streaming-to-browser.ts"), ["0"])
      const { page } = yield* Browser.open({ origin: url })
      const { people, shown } = yield* Effect.promise(async () => {
        await page.addInitScript(observe)
        await page.goto(url)
        await page.locator("#state", { hasText: "done" }).waitFor()
        return { people: await page.locator("#people li").allTextContents(), shown: await page.evaluate("shown") }
      })
      assert.deepStrictEqual(shown, ["1 reading…", "2 reading…", "3 reading…", "4 reading…", "4 done"])
      assert.deepStrictEqual(people, ["Sarah, 38", "Alex, 42", "Michael, 45", "Maria, 25"])
    }), 60_000)
})
