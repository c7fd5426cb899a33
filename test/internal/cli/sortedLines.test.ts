import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as SortedLines from "../../../src/cli/output/sortedLines.ts"

describe("sortedLines", () => {
  it.effect("puts lines of any length in order, those of one index as they came", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const lines = Array.from({ length: 5000 }, (_, i) => {
        const index = (i * 7919) % 4999
        return { index, text: `${index} ${i} ${"x".repeat(i % 1000 === 0 ? 700_000 : i % 90)}\n` }
      })
      const places = SortedLines.makePlaces()
      for (const { index, text } of lines) places.add(index, text.length)
      yield* fs.writeFileString(`${folder}/from`, lines.map(({ text }) => text).join(""))
      const from = yield* fs.open(`${folder}/from`, { flag: "r" })
      const to = yield* fs.open(`${folder}/to`, { flag: "w" })
      yield* SortedLines.write(places, from, to)
      const expected = lines.toSorted((a, b) => a.index - b.index).map(({ text }) => text).join("")
      assert.isTrue((yield* fs.readFileString(`${folder}/to`)) === expected)
    }).pipe(Effect.provide(NodeServices.layer)))
})
