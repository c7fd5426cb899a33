import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Distillation, Extraction } from "effect-instructor"

const Person = Schema.Struct({ name: Schema.String, born: Schema.DateFromString })
const person = Extraction.make<typeof Person.Type, never, string>({ schema: Person, instructions: "Who?" })
const ada = { name: "Ada", born: new Date("1815-12-10") }
const json = "{\"name\":\"Ada\",\"born\":\"1815-12-10T00:00:00.000Z\"}"

const exampleOf = (extraction: typeof person, format: Distillation.Format) =>
  Result.getOrThrow(Distillation.toExample(extraction, "Ada, 1815", ada, { format }))

describe("toExample", () => {
  it("has the messages as they are sent, and the JSON of the value", () => {
    assert.deepStrictEqual(exampleOf(person, "openai-chat"), {
      messages: [
        { role: "system", content: "Who?" },
        { role: "user", content: "Ada, 1815" },
        { role: "assistant", content: json }
      ]
    })
    assert.deepStrictEqual(exampleOf(person, "anthropic"), {
      system: "Who?",
      messages: [{ role: "user", content: "Ada, 1815" }, { role: "assistant", content: json }]
    })
    assert.deepStrictEqual(exampleOf(person, "gemini"), {
      systemInstruction: { role: "system", parts: [{ text: "Who?" }] },
      contents: [{ role: "user", parts: [{ text: "Ada, 1815" }] }, { role: "model", parts: [{ text: json }] }]
    })
  })

  it("calls the tool in tools mode, and shows the schema where the request does", () => {
    const tools = exampleOf(Extraction.with(person, { mode: "tools", name: "person" }), "openai-chat")
    assert.include(JSON.stringify(tools["messages"]), "\"name\":\"person\"")
    assert.strictEqual((tools["tools"] as ReadonlyArray<unknown>).length, 1)
    assert.include(
      JSON.stringify(exampleOf(Extraction.with(person, { mode: "json" }), "anthropic")["system"]),
      "properties"
    )
  })

  it("wraps values that are not objects, as answers do", () => {
    const names = Extraction.make<ReadonlyArray<string>, never, string>({ schema: Schema.Array(Schema.String) })
    const example = Result.getOrThrow(Distillation.toExample(names, "x", ["Ada"], { format: "anthropic" }))
    assert.include(JSON.stringify(example), JSON.stringify("{\"items\":[\"Ada\"]}"))
  })

  it("fails for what has no single answer", () => {
    const voted = Extraction.vote(person)
    assert.isTrue(Result.isFailure(Distillation.toExample(voted, "x", ada, { format: "gemini" })))
  })
})
