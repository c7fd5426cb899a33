/** Random answers with a list, and random damage to them. */
import { Schema } from "effect"

export const upTo = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: most }))

/** Strings of characters that a reader could mistake for the end of something. */
const Text = Schema.Array(
  Schema.Literals(["a", "\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "🦄", "é", "items", "`"])
)
  .check(Schema.isMaxLength(6))
const Value = Schema.Union([Schema.Json, Schema.Struct({ text: Text }), Text])

/** A JSON document with a list, and keys before and after it. */
export const Document = Schema.Struct({
  before: Schema.Array(Value).check(Schema.isMaxLength(2)),
  items: Schema.Array(Value).check(Schema.isMaxLength(4)),
  after: Schema.Array(Value).check(Schema.isMaxLength(2)),
  indent: Schema.Literals([0, 2])
})

export const toText = ({ after, before, indent, items }: typeof Document.Type): string =>
  JSON.stringify(
    Object.fromEntries([
      ...before.map((value, i) => [`${i} {"items":[`, value]),
      ["items", items],
      ...after.map((value, i) => [`z${i}`, value])
    ]),
    null,
    indent
  )

/** An edit of a text: characters are removed, added, or both. */
export const Corruption = Schema.Struct({
  at: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
  cut: Schema.Literals([0, 1, 2, 30]),
  add: Schema.Literals(["", "\"", "{", "}", "[", "]", ",", ":", "\\", "x", " ", "```", "\n", "\"items\":[", "null"])
})

export const corrupt = (text: string, { add, at, cut }: typeof Corruption.Type): string => {
  const position = Math.floor(at * text.length)
  return text.slice(0, position) + add + text.slice(position + cut)
}
