/** The table of docs/providers.md is what the providers did. Run with `UPDATE_TABLE=1` to write it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { Extraction, ExtractionStream, Llm, Provider } from "effect-instructor"
import { Reply } from "effect-instructor/testing"
import * as fs from "node:fs"
import * as path from "node:path"
import { against, natives, presets, type Subject } from "./subjects.ts"

const City = Schema.Struct({ city: Schema.String })
const paris = { city: "Paris" }
const modes = ["json_schema", "tools", "json", "markdown"] as const
const file = path.join(import.meta.dirname, "../../../docs/providers.md")

const extracts = (subject: Subject, mode: (typeof modes)[number]) =>
  against(subject, { answer: () => paris })(() =>
    Effect.map(
      Effect.result(Extraction.extract(Extraction.make({ schema: City, mode }), "Paris")),
      (result) => Result.isSuccess(result) && result.success.city === "Paris"
    )
  )

const row = (subject: Subject) =>
  Effect.gen(function*() {
    const works = yield* Effect.filter(modes, (mode) => extracts(subject, mode))
    const best = yield* against(subject, { answer: () => paris })(() =>
      Llm.Llm.use(({ dialect }) => Effect.succeed(dialect.modes?.(undefined)[0] ?? "json_schema"))
    )
    const streams = yield* against(subject, { answer: () => paris })(() =>
      Effect.result(Stream.runLast(ExtractionStream.partial(City, "Paris")))
    )
    const refused = yield* against(subject, { answer: () => Reply.refusal("no") })(() =>
      Effect.flip(Extraction.extract(City, "Paris"))
    )
    const key = Provider.list.find(({ prefix }) => prefix === subject.name)!.apiKeyEnv
    return [
      `\`${subject.name}\``,
      [best, ...works.filter((mode) => mode !== best)].map((mode) => `\`${mode}\``).join(" "),
      Result.isSuccess(streams) ? "yes" : "no",
      "reason" in refused && refused.reason._tag === "Refused" ? "yes" : "no",
      key.map((name) => `\`${name}\``).join(" or ") || "none needed"
    ]
  })

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [["Provider", "Modes, best first", "Streams", "Refusals", "Key"], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(all[0]!), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

describe("docs/providers.md", () => {
  it.live("says what the providers did", () =>
    Effect.gen(function*() {
      const written = table(yield* Effect.forEach([...natives, ...presets], row))
      const text = fs.readFileSync(file, "utf8")
      const updated = text.replace(
        /<!-- conformance -->[\s\S]*<!-- \/conformance -->/,
        `<!-- conformance -->\n\n${written}\n\n<!-- /conformance -->`
      )
      if (process.env["UPDATE_TABLE"] === "1") fs.writeFileSync(file, updated)
      else assert.strictEqual(text, updated)
    }), 60_000)
})
