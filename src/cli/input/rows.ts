/** Rows of an input as inputs of a batch. */
import * as Result from "effect/Result"
import * as Extraction from "../../extraction/Extraction.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"
import type { Row } from "./row.ts"

/** A row that cannot be used is an input that fails before anything is sent. */
export const toExtraction = (extraction: AnyExtraction): Extraction.Extraction<unknown, Row> =>
  Extraction.mapInput(
    extraction,
    (row: Row): string | Result.Result<string, string> => row._tag === "Text" ? row.text : Result.fail(row.description)
  )

export const idOf = (row: Row): string | undefined => row._tag === "Text" ? row.id : undefined
