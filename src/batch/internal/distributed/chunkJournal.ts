/** The journal of one chunk: records are found by the positions of their items. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Digest from "../../../internal/digest.ts"
import { type Claim, Journal } from "../../Journal.ts"
import type { RecordTable } from "../sql/recordTable.ts"
import * as RecordText from "../sql/recordText.ts"

/** Of equal length, so that the index of the table grows at its end. */
export const keyOf = (index: number): string => String(index).padStart(12, "0")

const printLength = 24

/**
 * The claims of an item carry the print of its content, and the number of the record that was found with this print. A
 * failure of an earlier pass counts as unknown.
 */
export const make = (
  table: RecordTable,
  { job, pass }: { readonly job: number; readonly pass: number }
): Journal["Service"] =>
  Journal.of({
    claimSize: 256,
    begin: Effect.void,
    claim: Effect.fnUntraced(function*(items) {
      const prints = yield* Digest.sha256All(items.map(({ content }) => content))
      const found = yield* table.find(job, items.map(({ index }) => keyOf(index)))
      return items.map(({ index }, at): Claim => {
        const print = prints[at]!.slice(0, printLength)
        const record = found.get(keyOf(index))
        if (record?.print !== print || record.isError && record.pass !== pass) {
          return { index, key: print, status: "new" }
        }
        return { index, key: `${print}${record.sequence}`, status: record.isError ? "error" : "ok" }
      })
    }),
    commit: ({ index, key }, record) =>
      Effect.flatMap(Effect.fromResult(RecordText.encode(record)), (text) =>
        table.write({
          journal: job,
          key: keyOf(index),
          print: key.slice(0, printLength),
          index: record.index,
          isError: record.status === "error",
          pass,
          replaces: key.length === printLength ? null : Number(key.slice(printLength)),
          record: text
        })),
    read: ({ index, key }) =>
      Effect.map(
        table.readOne({ journal: job, key: keyOf(index) }),
        (row) => row?.print === key.slice(0, printLength) ? RecordText.decode(row) : Option.none()
      ),
    records: Stream.empty,
    // A chunk is not sent in batches.
    note: () => Effect.void,
    notes: Stream.empty
  })
