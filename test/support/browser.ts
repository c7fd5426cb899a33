/** Chromium, where there is one. */
import { Effect } from "effect"
import * as fs from "node:fs"
import { chromium, type Page } from "playwright-core"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

export const isHere: boolean = fs.existsSync(executablePath)

/** The name of a suite that needs a browser. */
export const named = (name: string): string =>
  isHere ? name : `${name}: skipped, no browser at ${executablePath} (set CHROMIUM)`

/** A browser that sends nothing by itself, for the lifetime of the scope. */
const launch = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      executablePath,
      // A browser in a container runs as root, which its sandbox refuses.
      args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    })
  ),
  (browser) => Effect.promise(() => browser.close())
)

export interface Watched {
  readonly page: Page
  /** Errors on the console and in scripts, and requests that leave the page's own origin. */
  readonly problems: Array<string>
}

/** A page that notes its problems. */
export const open = (options: { readonly colorScheme?: "light" | "dark"; readonly origin?: string } = {}) =>
  Effect.gen(function*() {
    const browser = yield* launch
    return yield* Effect.promise(async (): Promise<Watched> => {
      const page = await browser.newPage({
        viewport: { width: 1280, height: 900 },
        colorScheme: options.colorScheme ?? "light"
      })
      const problems: Array<string> = []
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") problems.push(`console: ${message.text()}`)
      })
      page.on("pageerror", (error) => problems.push(`script: ${error.message}`))
      page.on("request", (request) => {
        const url = request.url()
        if (!/^(file|data|blob):/.test(url) && !(options.origin !== undefined && url.startsWith(options.origin))) {
          problems.push(`request: ${url}`)
        }
      })
      return { page, problems }
    })
  })

/** The seconds of CPU time that the page has used on its main thread. */
export const cpuSeconds = async (page: Page, url: string, isReady: string): Promise<number> => {
  const session = await page.context().newCDPSession(page)
  await session.send("Performance.enable", { timeDomain: "threadTicks" })
  await page.goto(url, { waitUntil: "commit" })
  await page.waitForSelector(isReady)
  const { metrics } = await session.send("Performance.getMetrics")
  return metrics.find(({ name }) => name === "TaskDuration")!.value
}
