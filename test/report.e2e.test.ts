import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { BatchReport, Usage } from "effect-instructor"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Browser from "./support/browser.ts"
import * as Command from "./support/command.ts"

const timeout = 120_000
const ready = "body[data-ready=all]"

const hostile = `</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"><!--<script>`

const names = ["Ada", "Alan", "Grace", "Edsger"]

/** Of a run of a minute for each 3,000 items, with failures and gold values. */
const entryOf = (index: number): BatchReport.ReportEntry => {
  const [name, age] = [names[index % 4]!, 20 + index % 60]
  const base = {
    index,
    text: `My name is ${name} and I am ${age} years old. ${"More about me is of no interest here. ".repeat(3)}`,
    attempts: 1 + Number(index % 10 === 0),
    usage: { ...Usage.zero, inputTokens: 100 + index % 50, outputTokens: 20, usd: 0.0001 },
    latencyMillis: 300 + index % 700,
    finishedAt: 1.7e12 + index * 20
  }
  return index % 50 === 7
    ? { ...base, error: { reason: "Refused", message: "The model refused to answer" } }
    : { ...base, value: { name, age }, ...(index % 25 === 0 && { gold: { age, name: index === 100 ? "Bob" : name } }) }
}

const fileOf = (
  count: number,
  change: (entry: BatchReport.ReportEntry) => BatchReport.ReportEntry = (entry) => entry
) =>
  Effect.gen(function*() {
    const folder = yield* Command.folder({})
    const file = path.join(folder, "report.html")
    const entries = Stream.map(Stream.range(0, count - 1), (index) => change(entryOf(index)))
    const out = fs.openSync(file, "w")
    yield* Stream.runForEach(BatchReport.html(entries, { title: "people.jsonl" }), (part) =>
      Effect.sync(() => fs.writeSync(out, part)))
    fs.closeSync(out)
    return pathToFileURL(file).href
  })

// oxlint-disable-next-line vitest/valid-title
describe(Browser.named("a report in a browser"), () => {
  it.live.skipIf(!Browser.isHere)(
    "opens 100,000 items in two seconds of work, and holds few rows",
    () =>
      Effect.gen(function*() {
        const url = yield* fileOf(100_000)
        const { page, problems } = yield* Browser.open()
        yield* Effect.promise(async () => {
          assert.isBelow(await Browser.cpuSeconds(page, url, ready), 2)
          assert.isBelow(await page.locator(".body .row").count(), 60)
          await page.locator(".scroller").press("End")
          assert.include(await page.locator(".row.active").innerText(), "99999")
          await page.getByLabel("Search").fill("ada and i am 44 ")
          await page.getByText("1,667 of 100,000 items").waitFor()
        })
        assert.deepStrictEqual(problems, [])
      }),
    timeout
  )

  it.live.skipIf(!Browser.isHere)(
    "shows text beside value, sorts, filters and compares with gold values",
    () =>
      Effect.gen(function*() {
        const url = yield* fileOf(3000)
        const { page, problems } = yield* Browser.open({ colorScheme: "dark" })
        yield* Effect.promise(async () => {
          await page.goto(url)
          await page.locator(".body .row").nth(1).click()
          assert.deepStrictEqual(await page.locator(".panel mark").allInnerTexts(), ["Alan", "21"])
          await page.getByLabel("Sort by latency").click()
          await page.getByLabel("Sort by latency").click()
          assert.include(await page.locator(".body .row").first().innerText(), "999 ms")
          await page.getByLabel("Status", { exact: true }).selectOption("different")
          assert.strictEqual(await page.locator(".filters .muted").innerText(), "1 of 3,000 items")
          await page.locator(".body .row").first().click()
          assert.include(await page.locator(".panel").innerText(), "Gold: different")
          await page.locator("#failures").scrollIntoViewIfNeeded()
          await page.getByRole("button", { name: "Refused: 60" }).click()
          assert.strictEqual(await page.locator(".filters .muted").innerText(), "60 of 3,000 items")
          await page.locator("#time").scrollIntoViewIfNeeded()
          assert.strictEqual(await page.locator("#time svg[role=img][aria-label]").count(), 6)
          await page.locator("#values").scrollIntoViewIfNeeded()
          await page.locator("#values .field").first().waitFor()
        })
        assert.deepStrictEqual(problems, [])
      }),
    timeout
  )

  it.live.skipIf(!Browser.isHere)(
    "reviews a sample, says what it proves and writes a gold file",
    () =>
      Effect.gen(function*() {
        const url = yield* fileOf(300)
        const { page, problems } = yield* Browser.open()
        const gold = yield* Effect.promise(async () => {
          await page.goto(url)
          await page.getByLabel("Size of the sample").fill("3")
          await page.getByRole("button", { name: "Draw a sample" }).click()
          await page.getByRole("button", { name: "Right" }).click()
          await page.getByRole("button", { name: "Wrong" }).click()
          await page.getByText("Correct the value").click()
          await page.getByLabel("The right value as JSON").fill(`{"name":`)
          await page.getByRole("button", { name: "Save the correction" }).click()
          await page.getByText("This is not JSON").waitFor()
          await page.getByLabel("The right value as JSON").fill(`{"name":"Bob","age":1}`)
          await page.getByRole("button", { name: "Save the correction" }).click()
          const [download] = await Promise.all([
            page.waitForEvent("download"),
            page.getByRole("button", { name: "Write the gold file" }).click()
          ])
          assert.strictEqual(download.suggestedFilename(), "gold.jsonl")
          const text = fs.readFileSync(await download.path(), "utf8")
          return { text, proof: await page.locator(".proof").innerText() }
        })
        const lines = gold.text.trim().split("\n").map((line) => JSON.parse(line))
        assert.strictEqual(lines.length, 2)
        assert.deepStrictEqual(lines[1].value, { name: "Bob", age: 1 })
        assert.strictEqual(lines[0].text, entryOf(Number(lines[0].id)).text)
        assert.include(gold.proof, "2 of 3 reviewed values are wrong. With 95 % confidence, at most 98.3 %")
        assert.deepStrictEqual(problems, [])
      }),
    timeout
  )

  it.live.skipIf(!Browser.isHere)(
    "runs nothing and breaks at nothing that a hostile run contains",
    () =>
      Effect.gen(function*() {
        const url = yield* fileOf(100_000, (entry) =>
          entry.index % 1000 === 0
            ? {
              ...entry,
              id: `${hostile}${entry.index}`,
              text: `${hostile}\u0000\u001b[31m\u202e\ud800${entry.index === 0 ? "x".repeat(1_000_000) : ""}`,
              ...(entry.error === undefined && {
                value: {
                  [hostile]: hostile,
                  __proto__: 1,
                  long: "y".repeat(entry.index === 0 ? 1_000_000 : 9),
                  "\u0000": "\u2028"
                }
              })
            }
            : entry)
        const { page, problems } = yield* Browser.open()
        yield* Effect.promise(async () => {
          await page.goto(url)
          await page.waitForSelector(ready)
          await page.locator(".body .row").first().click()
          assert.include(await page.locator(".panel").innerText(), hostile)
          assert.isBelow((await page.locator(".panel").innerText()).length, 100_000)
          await page.locator("#time").scrollIntoViewIfNeeded()
          await page.locator("#values").scrollIntoViewIfNeeded()
          await page.locator("#values .field").first().waitFor()
          await page.getByRole("button", { name: "Draw a sample" }).click()
          assert.isUndefined(await page.evaluate("window.hacked"))
          assert.strictEqual(await page.locator("img, iframe, body script:not([type])").count(), 1)
        })
        assert.deepStrictEqual(problems, [])
      }),
    timeout
  )
})

describe("report", () => {
  it.live("writes the report of a run with its texts, gold values and times", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.make({ answer: Command.answerPerson })
      const cwd = yield* Command.folder({
        "person.ts": Command.personSchema,
        "texts.txt": "Ada is 36\nnobody\nAlan is 41\n",
        "gold.jsonl": `{"id":"0","value":{"age":36,"name":"Ada"}}\n{"text":"Alan is 41","expected":{"name":"Bob"}}\n`
      })
      const run = (...args: ReadonlyArray<string>) => Command.run(args, { cwd, env: { OPENAI_BASE_URL: baseUrl } })
      yield* run(
        "run",
        "--schema",
        "person.ts",
        "--input",
        "texts.txt",
        "--output",
        "people.jsonl",
        "--max-attempts",
        "1"
      )
      const written = yield* run(
        "report",
        "people.jsonl",
        "--input",
        "texts.txt",
        "--gold",
        "gold.jsonl",
        "-o",
        "r.html"
      )
      assert.strictEqual(written.stderr, "3 items in r.html\n")
      assert.strictEqual(written.code, 0)
      const html = fs.readFileSync(path.join(cwd, "r.html"), "utf8")
      const rows: ReadonlyArray<ReadonlyArray<any>> = JSON.parse(/class="items">([\s\S]*?)<\/script>/.exec(html)![1]!)
        .toSorted((a: ReadonlyArray<number>, b: ReadonlyArray<number>) => a[0]! - b[0]!)
      assert.deepStrictEqual(rows.map((row) => row[2]), ["Ada is 36", "nobody", "Alan is 41"])
      assert.strictEqual(rows[1]![4].reason, "InvalidOutput")
      assert.deepStrictEqual(rows.map((row) => row[14]), [`{"age":36,"name":"Ada"}`, null, `{"name":"Bob"}`])
      for (const row of rows) {
        assert.isNumber(row[9])
        assert.isAbove(row[10], 1.6e12)
      }
      assert.deepStrictEqual(fs.readdirSync(cwd).filter((name) => name.startsWith(".report-")), [])
    }), timeout)

  it.live("leaves files alone that it cannot use, and says why", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder({
        "bad.jsonl": `{"value":1}\n{"index":-1}\n{"value":2}\n`,
        "no-error.jsonl": `{"status":"error"}\n`,
        "text.jsonl": "hello\n",
        "good.jsonl": `{"value":1}\n{"value":`,
        "empty.jsonl": ""
      })
      const report = (...args: ReadonlyArray<string>) => Command.run(["report", ...args], { cwd })
      const cases = [
        [["bad.jsonl"], "Line 2 of bad.jsonl is not a result of a run: its index is not a whole number"],
        [["no-error.jsonl"], "Line 1 of no-error.jsonl is not a result of a run: its error has no reason"],
        [["text.jsonl"], "Line 1 of text.jsonl is not JSON"],
        [["missing.jsonl"], "Cannot read missing.jsonl"],
        [["good.jsonl", "-o", "good.jsonl"], "The output good.jsonl is the results itself"],
        [["good.jsonl", "--gold", "good.jsonl"], "has neither an \"id\" nor a \"text\""],
        [["good.jsonl", "-o", "no/folder.html"], "Cannot write the output no/folder.html: ENOENT"]
      ] as const
      for (const [args, message] of cases) {
        const { code, stderr } = yield* report(...args)
        assert.include(stderr, message)
        assert.strictEqual(code, 1)
      }
      assert.strictEqual((yield* report("good.jsonl")).stderr, "1 item in good.html\n")
      const { stdout } = yield* report("empty.jsonl", "-o", "-")
      assert.isTrue(stdout.startsWith("<!doctype html>"))
    }), timeout)
})
