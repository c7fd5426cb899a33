import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../../src/schema/SchemaFromJson.ts"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"
import * as Corpus from "../../support/corpus.ts"

interface Row {
  readonly id: string
  readonly schema: unknown
  readonly valid: ReadonlyArray<unknown>
}

const strict = (document: unknown) =>
  SchemaFromJson.make(document).pipe(
    Result.flatMap(ResponseSchema.make),
    Result.flatMap((response) => Result.map(response.accepted(openAi), ({ jsonSchema }) => jsonSchema))
  )

describe("SchemaFromJson", () => {
  it("closes objects that list their properties, except the branches of a combination", () => {
    const closed = Result.getOrThrow(strict({
      type: "object",
      properties: { a: { type: "object", properties: { b: { type: "string" } } } }
    }))
    assert.strictEqual((closed["properties"] as any).a.anyOf[0].additionalProperties, false)
    const both = SchemaFromJson.make({
      allOf: [
        { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
        { type: "object", properties: { b: { type: "string" } }, required: ["b"] }
      ]
    })
    assert.isTrue(Result.isSuccess(both))
  })

  it("reads older drafts", () => {
    const schema = Result.getOrThrow(strict({
      $schema: "http://json-schema.org/draft-04/schema#",
      type: "object",
      definitions: { size: { type: "number", minimum: 0, exclusiveMinimum: true } },
      properties: { width: { $ref: "#/definitions/size" } },
      required: ["width"]
    }))
    assert.deepStrictEqual((schema["properties"] as any).width, {
      type: "number",
      exclusiveMinimum: 0,
      description: "a value greater than 0"
    })
  })

  const rows = Corpus.rows<Row>("json-schemas.jsonl")

  it.effect.skipIf(rows === undefined)(
    rows === undefined
      ? Corpus.missing
      : `${rows.length} real schemas: each accepted by a strict validator or refused with its path`,
    () =>
      Effect.gen(function*() {
        const count = { sent: 0, decoded: 0, refused: 0 }
        for (const { id, schema, valid } of rows ?? []) {
          const imported = Result.flatMap(SchemaFromJson.make(schema), ResponseSchema.make)
          const asked = Result.flatMap(imported, (response) => response.accepted(openAi))
          if (Result.isFailure(asked)) {
            assert.match(asked.failure.path, /^[$\w]/, id)
            assert.isAbove(asked.failure.description.length, 10, id)
            continue
          }
          count.sent++
          if (asked.success.strict) assert.strictEqual(complain(asked.success.jsonSchema), undefined, id)
          for (const instance of valid) {
            const response = Result.getOrThrow(imported)
            const decoded = yield* Effect.result(response.decode(response.read(instance, true)))
            if (Result.isSuccess(decoded)) {
              count.decoded++
            } else count.refused++
          }
        }
        // The counts when this was written. They may rise.
        assert.isAtLeast(count.sent, 390)
        assert.isAtLeast(count.decoded / (count.decoded + count.refused), 0.97)
      }),
    60_000
  )
})
