import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as ByteLines from "../../src/internal/byteLines.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const Chunks = Schema.Array(Schema.String.check(Schema.isPattern(/^[ab\n]{0,8}$/)))

const read = (chunks: ReadonlyArray<string>, maxLength?: number) => {
  const lines = ByteLines.make({ maxLength })
  const read: Array<readonly [offset: number, line: string]> = []
  for (const chunk of chunks) {
    lines.push(
      encoder.encode(chunk),
      (bytes, start, end, offset) => read.push([offset, decoder.decode(bytes.subarray(start, end))])
    )
  }
  return { read, restOffset: lines.restOffset(), rest: decoder.decode(lines.rest()) }
}

describe("byteLines", () => {
  it.prop("finds the lines and their offsets, however the input is divided into chunks", [Chunks], ([chunks]) => {
    const text = chunks.join("")
    const lines = text.split("\n")
    let offset = 0
    const expected = lines.map((line) => {
      const at = offset
      offset += line.length + 1
      return [at, line] as const
    })
    const [restOffset, rest] = expected.pop()!
    assert.deepStrictEqual(read(chunks), { read: expected, restOffset, rest })
  })

  it.prop("passes on one byte more than the limit of a longer line, with the right offsets", [Chunks], ([chunks]) => {
    const whole = read(chunks)
    const cut = read(chunks, 3)
    assert.deepStrictEqual(cut.read, whole.read.map(([offset, line]) => [offset, line.slice(0, 4)] as const))
    assert.strictEqual(cut.restOffset, whole.restOffset)
    assert.strictEqual(cut.rest, whole.rest.slice(0, 4))
  })
})
