/** Rows of an input as inputs of a batch. */
import * as Stream from "effect/Stream"
import * as Extraction from "../../extraction/Extraction.ts"
import * as ExtractionError from "../../extraction/ExtractionError.ts"
import type { Row } from "./inputFormat.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"

export type TextRow = Extract<Row, { readonly _tag: "Text" }>

export const toInputs = <E, R>(
  rows: Stream.Stream<Row, E, R>,
  { name }: Pick<AnyExtraction, "name">
): Stream.Stream<TextRow | ExtractionError.ExtractionError, E, R> =>
  Stream.map(rows, (row) =>
    row._tag === "Text" ? row : ExtractionError.beforeSending(
      name,
      new ExtractionError.InvalidInput({ description: row.description })
    ))

export const toExtraction = (extraction: AnyExtraction): Extraction.Extraction<unknown, TextRow> =>
  Extraction.make({ ...extraction, prompt: ({ text }: TextRow) => extraction.prompt(text) })
