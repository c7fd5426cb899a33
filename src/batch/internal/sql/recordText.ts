/** A record as the text of a row, without what the row has in columns. */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { JournalRecord } from "../../Journal.ts"
import { InvalidRecord, JournalError } from "../../JournalError.ts"
import type { Stored } from "./recordTable.ts"

/** Deeper values could overflow the stack of whatever reads them. */
const maxDepth = 500

/** Clients of PostgreSQL accept messages of 16 MiB by default, and a character may take three bytes. */
const maxLength = 5 * 1024 * 1024

export const encode = (record: JournalRecord): Result.Result<string, JournalError> => {
  const { index } = record
  const rest = { ...record, index: undefined, status: undefined }
  const invalid = (description: string): JournalError =>
    new JournalError({ reason: new InvalidRecord({ index, description }) })
  if (!isWithin(rest.answer, maxDepth) || !isWithin(rest.error, maxDepth)) {
    return Result.fail(invalid(`it is nested deeper than ${maxDepth} levels`))
  }
  return Result.try({ try: () => JSON.stringify(rest), catch: (cause) => invalid(String(cause)) }).pipe(
    Result.filterOrFail(
      ({ length }) => length <= maxLength,
      () => invalid(`it is longer than ${maxLength} characters`)
    )
  )
}

// Its own recursion is limited by the depth that it checks for.
const isWithin = (value: unknown, depth: number): boolean => {
  if (typeof value !== "object" || value === null) return true
  if (depth === 0) return false
  return Object.values(value).every((child) => isWithin(child, depth - 1))
}

const decodeRecord = Schema.decodeUnknownOption(JournalRecord)

/** The record of a row, or `None` if something else has written the row. */
export const decode = ({ index, isError, record }: Stored): Option.Option<JournalRecord> =>
  Option.flatMap(
    Option.liftThrowable(() => JSON.parse(record) as object)(),
    (rest) => decodeRecord({ ...rest, index, status: isError ? "error" : "ok" })
  )
