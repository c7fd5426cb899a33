/** Task: extract from rows of a table, reject rows without a text before anything is sent, and keep the id of each row. */
import { Effect, Result, Schema, Stream } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

interface Row {
  readonly id: string
  readonly bio: string
}

const rows: ReadonlyArray<Row> = [{ id: "a", bio: "I live in Lyon" }, { id: "b", bio: "" }]
const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }) })
const ofRow = Extraction.mapInput(city, ({ bio }: Row) => bio === "" ? Result.fail("The bio is empty") : bio)

export const solution = Batch.stream(ofRow, rows, { concurrency: 2, ordered: true, id: ({ id }: Row) => id }).pipe(
  Stream.map(({ id, result }) => [id, Result.isSuccess(result) ? result.success.city : result.failure.reason._tag]),
  Stream.runCollect,
  Effect.provide(MockLlm.layer([{ city: "Lyon" }]))
)

export const expected = [["a", "Lyon"], ["b", "InvalidInput"]]
