/**
 * The quality combinators on recorded answers of real models, replayed: `npm run bench:quality`. The table is in
 * docs/quality.md.
 */
import { Console, Effect, Result, type Schema } from "effect"
import { Evaluation, Extraction, Grounding, Replay } from "effect-instructor"
import * as TokenCount from "../../src/llm/TokenCount.ts"
import * as Comparison from "../../src/quality/Comparison.ts"
import * as ResponseSchema from "../../src/schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../src/schema/SchemaFromJson.ts"
import { missing, rows } from "../support/corpus.ts"

interface Row {
  readonly id: string
  readonly text: string
  readonly schema: object
  readonly gold: Schema.Json
  readonly answers: Readonly<Record<string, string>>
}

/** The models whose price is a small part of that of the strong ones. */
const cheap = [
  "DeepSeek-R1-Distill-Qwen-32B",
  "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
  "Qwen3-30B-A3B-Instruct-2507",
  "gemini-2.5-flash",
  "gemini-3-flash",
  "gemma-4-31b-it",
  "gpt-5.4-mini",
  "ibm-granite-4.0-h-small",
  "phi-4"
]
const strong = ["gemini-3.1-pro-preview", "gemini-3.5-flash"]

interface Document {
  readonly schema: object
  readonly label: Schema.Json
}

const tokens = (json: unknown): number => TokenCount.guessText(JSON.stringify(json))

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, n) => sum + n, 0) / values.length
const percent = (n: number): string => `${(100 * n).toFixed(1)} %`

type Page = Extraction.Extraction<Schema.Json, string>

const program = Effect.gen(function*() {
  const all = rows<Row>("recorded-answers.jsonl")
  if (all === undefined) return yield* Console.log(missing)
  const models = Object.keys(all[0]!.answers)
  const pages = all.map((row) => ({
    ...row,
    page: Result.getOrThrow(Extraction.fromJsonSchema<string>(row.schema, { maxAttempts: 1 }))
  }))

  /** Every page has its own schema, so that each is a batch of one. */
  const valuesOf = (combine: (page: Page) => Page) =>
    Effect.forEach(pages, ({ page, text }) => Effect.result(Extraction.extract(combine(page), text)))
  const scoreOf = (values: ReadonlyArray<Result.Result<Schema.Json, unknown>>) =>
    Evaluation.score(values.map((value, i) => ({ expected: pages[i]!.gold, actual: Result.getOrUndefined(value) })))
      .meanF1
  const asked = (model: string) => (page: Page) => Extraction.with(page, { model })

  const alone = new Map<string, ReadonlyArray<Result.Result<Schema.Json, unknown>>>()
  for (const model of models) alone.set(model, yield* valuesOf(asked(model)))
  const scores = new Map(models.map((model) => [model, scoreOf(alone.get(model)!)]))

  // Grounding
  const counts = { rightStated: 0, rightNot: 0, wrongStated: 0, wrongNot: 0 }
  for (const model of models) {
    for (const [i, value] of alone.get(model)!.entries()) {
      if (Result.isFailure(value)) continue
      const leaves = Grounding.ground(pages[i]!.text, value.success, { fuzzy: false })
      const stated = new Map(leaves.map((leaf) => [JSON.stringify(leaf.path), Grounding.isStated(leaf)]))
      for (const { a, isSame, path } of Comparison.compare(value.success, pages[i]!.gold)) {
        if (a === undefined || typeof a === "boolean") continue
        counts[`${isSame ? "right" : "wrong"}${stated.get(JSON.stringify(path)) === true ? "Stated" : "Not"}`]++
      }
    }
  }
  const { rightNot, rightStated, wrongNot, wrongStated } = counts
  yield* Console.log(
    `Grounding: ${rightNot + rightStated + wrongNot + wrongStated} texts and numbers of ${models.length} models
  stated by the source: ${percent(rightStated / (rightStated + wrongStated))} right
  not stated: ${percent(rightNot / (rightNot + wrongNot))} right
  wrong values that are not stated: ${percent(wrongNot / (wrongNot + wrongStated))}`
  )

  // Votes
  const triples = cheap.flatMap((a, i) =>
    cheap.slice(i + 1).flatMap((b, j) => cheap.slice(i + j + 2).map((c) => [a, b, c] as const))
  ).filter((_, i) => i % 7 === 0)
  const gains: Array<number> = []
  for (const triple of triples) {
    const voted = scoreOf(yield* valuesOf((page) => Extraction.vote(page, { models: triple })))
    gains.push(voted - Math.max(...triple.map((model) => scores.get(model)!)))
  }
  yield* Console.log(
    `Votes of three cheap models: better than the best of the three in ${
      gains.filter((gain) => gain > 0).length
    } of ${gains.length}, by ${mean(gains).toFixed(3)} mean F1 (${Math.min(...gains).toFixed(3)} to ${
      Math.max(...gains).toFixed(3)
    })`
  )

  // Cascades: one ranking for all pages, as in a batch of one extraction.
  const shares: Array<number> = []
  for (const model of cheap) {
    for (const other of strong) {
      const gain = scores.get(other)! - scores.get(model)!
      if (gain < 0.02) continue
      const confidence = alone.get(model)!.map((value, i) =>
        Result.isFailure(value)
          ? -1
          : Grounding.share(Grounding.ground(pages[i]!.text, value.success, { fuzzy: false }))
      )
      const worst = confidence.toSorted((a, b) => a - b)[Math.floor(0.3 * pages.length)]!
      const values = yield* Effect.forEach(pages, ({ page, text }) =>
        Effect.result(Extraction.extract(
          Extraction.cascade([asked(model)(page), asked(other)(page)], { escalate: { confidence: worst } }),
          text
        )))
      shares.push((scoreOf(values) - scores.get(model)!) / gain)
    }
  }
  yield* Console.log(
    `Cascades that escalate the worst 30 %: ${percent(mean(shares))} of the gain of the strong model (${
      percent(Math.min(...shares))
    } to ${percent(Math.max(...shares))} in ${shares.length} pairs)`
  )

  // Tables
  for (
    const [name, golds] of [
      ["pages", pages.map(({ gold, schema }) => ({ json: gold, schema }))],
      [
        "business documents",
        (rows<Document>("documents.jsonl") ?? []).map(({ label, schema }) => ({ json: label, schema }))
      ]
    ] as const
  ) {
    const sizes = golds.flatMap(({ json, schema }) => {
      const decoded = Result.getOrThrow(SchemaFromJson.make(schema))
      const plain = Result.getOrThrow(ResponseSchema.make(decoded))
      const tables = Result.getOrThrow(ResponseSchema.make(decoded, { tables: true }))
      return plain.jsonSchema === tables.jsonSchema
        ? []
        : [[tokens(plain.write(json)), tokens(tables.write(json)), tokens(plain.jsonSchema), tokens(tables.jsonSchema)]]
    })
    const sum = (column: number): number => sizes.reduce((total, size) => total + size[column]!, 0)
    yield* Console.log(
      `Tables: ${sizes.length} of ${golds.length} ${name} have lists of objects: ${
        percent(sum(1) / sum(0) - 1)
      } tokens of the answer, ${percent(sum(3) / sum(2) - 1)} of the schema`
    )
  }

  // Speed
  const long = pages.map(({ text }) => text).join("\n").slice(0, 10_000)
  const words = long.split(/\s+/)
  const leaves = Array.from(
    { length: 100 },
    (_, i) =>
      i % 3 === 0
        ? words.slice(3 * i, 3 * i + 4).join(" ")
        : i % 3 === 1
        ? `${words[i]} and ${words[i + 9]} else`
        : 7 * i
  )
  const times = Array.from({ length: 20 }, () => {
    const before = process.cpuUsage()
    Grounding.ground(long, leaves)
    return process.cpuUsage(before).user / 1000
  }).toSorted((a, b) => a - b)
  yield* Console.log(`Grounding of 100 leaves in 10,000 characters: ${times[10]!.toFixed(1)} ms of CPU (median of 20)`)
}).pipe(
  Effect.provide(
    Replay.layer(
      (rows<Row>("recorded-answers.jsonl") ?? []).flatMap(({ answers, text }) =>
        Object.entries(answers).map(([model, answer]) => ({ input: text, model, answer }))
      )
    )
  )
)

await Effect.runPromise(program)
