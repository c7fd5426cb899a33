import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Corpus from "../../support/corpus.ts"
import { measure, rows } from "./jsonSchemas.ts"

describe("real JSON Schemas", () => {
  it.effect.skipIf(rows === undefined)(
    rows === undefined
      ? Corpus.missing
      : `${rows.length}: 97 % make a request, 99.5 % of valid instances decode to themselves, 99 % of others are refused`,
    () =>
      Effect.gen(function*() {
        const all = rows ?? []
        const { complaints, invalid, lost, refused, strict, taken, valid } = yield* measure(all)
        assert.deepStrictEqual(complaints, [])
        assert.isAtLeast((all.length - refused.length) / all.length, 0.97, refused.join())
        assert.isAtLeast((valid - lost.length) / valid, 0.995, lost.join())
        assert.isAtLeast((invalid - taken.length) / invalid, 0.99, taken.join())
        // The count when this was written. It may rise.
        assert.isAtLeast(strict, 531)
      }),
    60_000
  )
})
