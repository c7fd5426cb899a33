import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as Http from "node:http"
import * as path from "node:path"
import * as Browser from "../support/browser.ts"
import * as Command from "../support/command.ts"

const timeout = 120_000

const setup = (texts: ReadonlyArray<string>, simulator: Partial<OpenAiSimulator.Options> = {}) =>
  Effect.gen(function*() {
    const server = yield* OpenAiSimulator.make({ answer: Command.answerPerson, ...simulator })
    const cwd = yield* Command.folder({ "person.ts": Command.personSchema, "texts.txt": `${texts.join("\n")}\n` })
    const args = (...more: ReadonlyArray<string>) => [
      "run",
      "--schema",
      "person.ts",
      "--input",
      "texts.txt",
      "--output",
      "out.jsonl",
      ...more
    ]
    const options = { cwd, env: { OPENAI_BASE_URL: server.baseUrl } }
    return {
      cwd,
      ledger: server.ledger,
      run: (...more: ReadonlyArray<string>) => Command.run(args(...more), options),
      start: (...more: ReadonlyArray<string>) => Command.start(args(...more), options)
    }
  })

/** The URL that the command prints before it sends anything. */
const urlOf = ({ child, stderr }: Command.Running) =>
  Effect.callback<URL>((resume) => {
    const look = () => {
      const url = /Live report: (\S+)/.exec(stderr())?.[1]
      if (url !== undefined) resume(Effect.succeed(new URL(url)))
    }
    child.stderr!.on("data", look)
    look()
  })

const get = (url: URL, options: Http.RequestOptions = {}) =>
  Effect.promise(() =>
    new Promise<{ readonly status: number; readonly text: string; readonly headers: Http.IncomingHttpHeaders }>(
      (resolve, reject) => {
        Http.request(url, options, (response) => {
          let text = ""
          response.on("data", (chunk) => text += chunk)
          response.on("end", () => resolve({ status: response.statusCode!, text, headers: response.headers }))
        }).on("error", reject).end()
      }
    )
  )

const itemsUrl = (page: string, base: URL): URL =>
  new URL(JSON.parse(/id="meta">(.*?)<\/script>/.exec(page)![1]!).live, base)

/** Asks as the page does, until `isEnough`. */
const follow = (url: URL, isEnough: (answer: any, rows: ReadonlyArray<any>) => boolean) =>
  Effect.gen(function*() {
    const rows: Array<any> = []
    for (;;) {
      const { text } = yield* get(new URL(`${url.href}&from=${rows.length}`))
      const answer = JSON.parse(text)
      rows.push(...answer.rows)
      if (isEnough(answer, rows)) return { answer, rows }
      yield* Effect.sleep("20 millis")
    }
  })

describe("run --serve", () => {
  it.live("shows the items as they finish, and lets an open page see the last one", () =>
    Effect.gen(function*() {
      const { start } = yield* setup([...Command.people(20), "nobody"], { latency: "50 millis" })
      const running = yield* start("--serve", "--concurrency", "2", "--max-attempts", "1")
      const url = yield* urlOf(running)
      assert.strictEqual(url.hostname, "127.0.0.1")
      assert.isAtLeast(url.searchParams.get("token")!.length, 32)
      const page = yield* get(url)
      assert.include(page.text, "<title>out.jsonl</title>")
      assert.strictEqual(page.headers["cache-control"], "no-store")
      const items = itemsUrl(page.text, url)
      const first = yield* follow(items, (_, rows) => rows.length > 0)
      assert.isFalse(first.answer.done)
      assert.include(first.answer.figures.map(([name]: [string]) => name), "In flight")
      const { rows } = yield* follow(items, ({ done }) => done)
      const { code } = yield* running.ended
      assert.strictEqual(code, 3)
      assert.deepStrictEqual(
        rows.map(([index]) => index).toSorted((a, b) => a - b),
        Array.from({ length: 21 }, (_, i) => i)
      )
      const failed = rows.find(([index]) => index === 20)
      assert.strictEqual(failed[2], "nobody")
      assert.strictEqual(failed[4].reason, "InvalidOutput")
      assert.strictEqual(rows.find(([index]) => index === 3)[3], `{"name":"Person 3","age":3}`)
    }).pipe(Effect.scoped), timeout)

  it.live("gives nothing without its token, to another host or to another method", () =>
    Effect.gen(function*() {
      const { start } = yield* setup(Command.people(4), { latency: "3 seconds" })
      const url = yield* urlOf(yield* start("--serve"))
      const without = new URL("/", url)
      const wrong = new URL("/items?token=wrong&from=0", url)
      for (const refused of [without, wrong]) {
        const { status, text } = yield* get(refused)
        assert.strictEqual(status, 403)
        assert.notInclude(text, url.searchParams.get("token")!)
      }
      assert.strictEqual((yield* get(url, { headers: { host: "evil.example:80" } })).status, 403)
      assert.strictEqual((yield* get(url, { method: "POST" })).status, 405)
      assert.strictEqual((yield* get(new URL(`/other${url.search}`, url))).status, 404)
      assert.strictEqual((yield* get(new URL(`/items${url.search}&from=x`, url))).status, 400)
    }).pipe(Effect.scoped), timeout)

  it.live("ends with the run when no page is open, and after Ctrl-C with one", () =>
    Effect.gen(function*() {
      const { cwd, run, start } = yield* setup(Command.people(40), { latency: "200 millis" })
      const running = yield* start("--serve", "--concurrency", "2")
      const url = yield* urlOf(running)
      const items = itemsUrl((yield* get(url)).text, url)
      yield* follow(items, (_, rows) => rows.length >= 2)
      running.child.kill("SIGINT")
      const { answer, rows } = yield* follow(items, ({ done }) => done)
      assert.isTrue(answer.done)
      const { code, stderr } = yield* running.ended
      assert.strictEqual(code, 130)
      assert.include(stderr, "run the same command again to resume")
      // Those that finish after the signal are in the output.
      const written = Command.readLines(cwd, "out.jsonl").map(({ index }) => index)
      assert.isAtLeast(rows.length, 2)
      for (const [index] of rows) assert.include(written, index)
      assert.strictEqual((yield* run("--serve", "--concurrency", "40")).code, 0)
    }).pipe(Effect.scoped), timeout)

  it.live("says that a port is in use, before it sends or writes anything", () =>
    Effect.gen(function*() {
      const { cwd, ledger, run } = yield* setup(Command.people(2))
      const taken = Http.createServer()
      const port = yield* Effect.acquireRelease(
        Effect.promise(() =>
          new Promise<number>((resolve) =>
            taken.listen(0, "127.0.0.1", () => resolve((taken.address() as { readonly port: number }).port))
          )
        ),
        () => Effect.sync(() => taken.close())
      )
      const { code, stderr } = yield* run(`--serve=${port}`)
      assert.strictEqual(code, 1)
      assert.include(stderr, `--serve cannot listen on port ${port}: the port is in use. Use another port`)
      assert.strictEqual((yield* ledger).requests, 0)
      assert.isFalse(fs.existsSync(path.join(cwd, "out.jsonl")))
      assert.include((yield* run("--serve=70000")).stderr, "Expected a port from 0 to 65535")
      assert.include((yield* run("--serve", "--dry-run")).stderr, "--serve shows a run of this process")
    }).pipe(Effect.scoped), timeout)

  it.live("prints its URL even with --quiet, and as JSON with --progress json", () =>
    Effect.gen(function*() {
      const { run } = yield* setup(Command.people(2))
      assert.match((yield* run("--serve", "--quiet")).stderr, /^Live report: http:\/\/127\.0\.0\.1:\d+\/\?token=\S+\n$/)
      const { stderr } = yield* run("--serve", "--progress", "json", "--restart")
      assert.strictEqual(JSON.parse(stderr.split("\n")[0]!).type, "serve")
    }).pipe(Effect.scoped), timeout)
})

// oxlint-disable-next-line vitest/valid-title
describe(Browser.named("run --serve in a browser"), () => {
  it.live.skipIf(!Browser.isHere)(
    "grows while the run goes on, and stays usable after it",
    () =>
      Effect.gen(function*() {
        const { start } = yield* setup(Command.people(12), { latency: "400 millis" })
        const running = yield* start("--serve", "--concurrency", "2")
        const url = yield* urlOf(running)
        const { page, problems } = yield* Browser.open({ origin: url.origin })
        yield* Effect.promise(async () => {
          await page.goto(url.href)
          await page.getByText("Live", { exact: true }).waitFor()
          await page.locator(".body .row").first().waitFor()
          await page.getByText("The run is over").waitFor()
        })
        assert.strictEqual((yield* running.ended).code, 0)
        yield* Effect.promise(async () => {
          assert.strictEqual(await page.locator(".filters .muted").innerText(), "12 of 12 items")
          await page.locator(".body .row").first().click()
          assert.include(await page.locator(".panel").innerText(), "Person")
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.scoped),
    timeout
  )
})
