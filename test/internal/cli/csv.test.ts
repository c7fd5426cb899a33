import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Csv from "../../../src/cli/input/csv.ts"

const read = (text: string, maxLength = 1000): ReadonlyArray<Csv.CsvRecord> => {
  const csv = Csv.make({ maxLength, delimiter: ",", loose: false })
  return [...text.split("\n").flatMap((line, i) => csv.push(line, i + 1)), ...csv.end()]
}

const quoted = (cell: string): string => `"${cell.replaceAll(`"`, `""`)}"`

const Cell = Schema.String.check(Schema.isPattern(/^[ab",\n\r ]{0,6}$/))
const Row = Schema.Array(Cell).check(Schema.isMinLength(2), Schema.isMaxLength(4))

describe("csv", () => {
  it.prop("gives back what was quoted, with the line each record begins in", [Schema.Array(Row)], ([rows]) => {
    const text = rows.map((row) => row.map(quoted).join(",")).join("\n")
    const records = read(text)
    assert.deepStrictEqual(records.map(({ cells }) => cells), [...rows])
    let line = 1
    for (const [i, row] of rows.entries()) {
      assert.strictEqual(records[i]!.line, line)
      line += 1 + row.join("").split("\n").length - 1
    }
  })

  it.prop("loses no line, whatever the text is", [Schema.Array(Cell)], ([texts]) => {
    const text = texts.join("\n")
    const records = read(text)
    const lines = text.split("\n")
    const covered = new Set<number>()
    for (const [i, { line }] of records.entries()) {
      const end = records[i + 1]?.line ?? lines.length + 1
      for (let at = line; at < end; at++) covered.add(at)
    }
    lines.forEach((line, i) => assert.isTrue(line.trim() === "" || covered.has(i + 1), `line ${i + 1}`))
  })

  it("goes on after a quote that is never closed", () => {
    assert.deepStrictEqual(read(`a,b\n"c,d\ne,f`), [
      { line: 1, cells: ["a", "b"] },
      { line: 2, cells: "the quote that opens here is not closed" },
      { line: 3, cells: ["e", "f"] }
    ])
    assert.deepStrictEqual(read(`"${"x\n".repeat(20)}`, 10).at(-1), { line: 20, cells: ["x"] })
  })

  it("goes on after a stray quote with very many lines behind it", () => {
    const text = `a,b\n"c,d\n${"e,f\n".repeat(200_000)}`
    const records = read(text, 16 * 1024 * 1024)
    assert.deepStrictEqual(records.slice(0, 3), [
      { line: 1, cells: ["a", "b"] },
      { line: 2, cells: "the quote that opens here is not closed" },
      { line: 3, cells: ["e", "f"] }
    ])
    assert.strictEqual(records.length, 200_002)
  })

  it("reports a quote in the wrong place", () => {
    const wrong = "a quote is in the wrong place: double the quotes that belong to the text"
    assert.deepStrictEqual(read(`5" pipe,1\n"a"b,2\nc,3`), [
      { line: 1, cells: wrong },
      { line: 2, cells: wrong },
      { line: 3, cells: ["c", "3"] }
    ])
  })

  it("takes lines that end as on Windows", () => {
    assert.deepStrictEqual(read(`a,b\r\n"c","d"\r\ne,\r\n`), [
      { line: 1, cells: ["a", "b"] },
      { line: 2, cells: ["c", "d"] },
      { line: 3, cells: ["e", ""] }
    ])
  })
})
