/**
 * Opens pages of the built site in Chromium: no error on the console, no request to elsewhere, and on each page a title, a
 * main landmark and names for its buttons and links. With `--screenshots folder` it keeps pictures of them. Run `npm run
 * docs` first.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { chromium } from "playwright-core"

const dist = path.join(import.meta.dirname, "../docs-build/.vitepress/dist")
const pages = ["index.html", "start.html", "batches.html", "recipes.html", "cli-reference.html", "api/Batch.html"]

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2"
}

const server = http.createServer((request, response) => {
  const file = path.join(dist, path.normalize(decodeURIComponent(new URL(request.url!, "http://x").pathname)))
  if (!file.startsWith(dist) || !fs.existsSync(file) || !fs.statSync(file).isFile()) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream" })
  fs.createReadStream(file).pipe(response)
})
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
const origin = `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`

interface Found {
  readonly title: string
  readonly lang: string
  readonly h1: number
  readonly unnamed: ReadonlyArray<string>
  readonly images: number
}

const problems: Array<string> = []
const at = process.argv.indexOf("--screenshots")
const folder = at === -1 ? undefined : process.argv[at + 1]!
if (folder !== undefined) fs.mkdirSync(folder, { recursive: true })

const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
})
try {
  for (const [i, name] of pages.entries()) {
    const page = await browser.newPage({
      viewport: { width: 1280, height: 800 },
      colorScheme: i % 2 === 0 ? "light" : "dark"
    })
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`${name}: ${message.text()}`)
    })
    page.on("pageerror", (error) => problems.push(`${name}: ${error.message}`))
    page.on("request", (request) => {
      if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) {
        problems.push(`${name}: a request to ${request.url()}`)
      }
    })
    await page.goto(`${origin}/${name}`, { waitUntil: "networkidle" })
    const found = await page.evaluate<Found>(`({
      title: document.title, lang: document.documentElement.lang, h1: document.querySelectorAll("h1").length,
      unnamed: [...document.querySelectorAll("a, button")].filter((it) => it.offsetParent !== null &&
        !it.textContent.trim() && !it.getAttribute("aria-label") && !it.title).map((it) => it.outerHTML.slice(0, 100)),
      images: [...document.images].filter((it) => !it.hasAttribute("alt")).length
    })`)
    if (found.title === "" || found.lang === "" || found.h1 !== 1 || found.images > 0 || found.unnamed.length > 0) {
      problems.push(`${name}: ${JSON.stringify(found)}`)
    }
    if (folder !== undefined) await page.screenshot({ path: path.join(folder, `${name.replace(/\W+/g, "-")}.png`) })
    if (name === "start.html") {
      await page.keyboard.press("Control+k")
      await page.locator("#localsearch-input").fill("journal")
      await page.locator(".VPLocalSearchBox .result").first().waitFor({ timeout: 20_000 })
      if (folder !== undefined) await page.screenshot({ path: path.join(folder, "search.png") })
    }
    await page.close()
  }
} finally {
  await browser.close()
  server.close()
}
for (const problem of problems) process.stdout.write(`${problem}\n`)
process.stdout.write(`${pages.length} pages, ${problems.length} problems\n`)
if (problems.length > 0) process.exitCode = 1
