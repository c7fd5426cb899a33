/** `npm run corpus`: the table of what arrived, for each model. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Result } from "effect"
import * as Corpus from "../support/corpus.ts"
import { documents, extractAll, type Row } from "./documents.ts"

const percent = (rows: ReadonlyArray<Row>): string => {
  const sum = (f: (row: Row) => number) => rows.reduce((total, row) => total + f(row), 0)
  return `${(100 * sum((row) => row.agreeing) / sum((row) => row.fields)).toFixed(1)} %`
}

const program = Effect.gen(function*() {
  if (documents === undefined) return yield* Console.log(Corpus.missing)
  const rows = yield* extractAll(documents)
  const models = Array.from(new Set(rows.map(({ model }) => model)))
  const languages = new Set(documents.map(({ lang }) => lang))
  yield* Console.log(`${documents.length} documents in ${languages.size} languages, each with its own JSON Schema`)
  for (const document of documents) {
    const cells = models.map((model) => {
      const row = rows.find((row) => row.document === document && row.model === model)!
      return Result.isSuccess(row.result)
        ? `${model} ${row.agreeing}/${row.fields}`
        : `${model} ${row.result.failure.reason._tag}`
    })
    yield* Console.log(`  ${document.lang}  ${document.name.slice(0, 40).padEnd(40)}  ${cells.join("   ")}`)
  }
  yield* Console.log("\n          typed    typed      fields that agree with the label")
  yield* Console.log("model     values   failures   of all documents   of typed values")
  for (const model of models) {
    const ofModel = rows.filter((row) => row.model === model)
    const values = ofModel.filter(({ result }) => Result.isSuccess(result))
    const cells = [
      String(values.length).padEnd(9),
      String(ofModel.length - values.length).padEnd(11),
      percent(ofModel).padEnd(19)
    ]
    yield* Console.log(`${model.padEnd(10)}${cells.join("")}${percent(values)}`)
  }
  for (const { document, model, result } of rows) {
    if (Result.isFailure(result)) yield* Console.log(`\n${document.name}, ${model}: ${result.failure.message}`)
  }
})

NodeRuntime.runMain(program)
