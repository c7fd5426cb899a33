import { assert, describe, it } from "@effect/vitest"
import type { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as SampleAnswer from "../../../src/cli/simulation/sampleAnswer.ts"
import * as Reply from "../../../src/testing/Reply.ts"

const request: OpenAiSimulator.SimulatedRequest = {
  index: 0,
  model: "m",
  mode: "markdown",
  schema: undefined,
  text: "Hello",
  stream: false,
  body: {}
}

const answer = (changes: Partial<OpenAiSimulator.SimulatedRequest>) =>
  Reply.fromInput(SampleAnswer.make({ ...request, ...changes }, undefined)).text

describe("sample answers", () => {
  it("are prose without a schema, and a JSON object where the request asks for one", () => {
    assert.strictEqual(answer({}), "You said: Hello")
    assert.deepStrictEqual(JSON.parse(answer({ mode: "json" })), { answer: "You said: Hello" })
    assert.deepStrictEqual(JSON.parse(answer({ mode: "tools" })), { answer: "You said: Hello" })
  })

  it("fit the schema of the request, or the one in its first message", () => {
    const schema = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"] }
    assert.isBoolean(JSON.parse(answer({ mode: "json_schema", schema })).a)
    const body = { messages: [{ role: "system", content: `Answer with JSON: ${JSON.stringify(schema)}` }] }
    assert.isBoolean(JSON.parse(answer({ mode: "json", body })).a)
  })
})
