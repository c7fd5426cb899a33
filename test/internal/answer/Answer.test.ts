import { assert, describe, it } from "@effect/vitest"
import type { Completion, LlmRequest } from "effect-instructor"
import { Usage } from "effect-instructor"
import * as Answer from "../../../src/answer/Answer.ts"

const completion = (options: Partial<Completion.Completion>): Completion.Completion => ({
  id: "c",
  model: "m",
  text: "",
  toolCalls: [],
  finishReason: "stop",
  usage: Usage.zero,
  ...options
})

const output = (mode: LlmRequest.OutputMode): LlmRequest.JsonFormat => ({ mode, name: "Person", jsonSchema: {} })

const call = (name: string, args: string) => ({ id: "1", name, arguments: args })

describe("Answer", () => {
  it("is the text in the modes that ask for text", () => {
    for (const mode of ["json_schema", "json", "markdown"] as const) {
      assert.deepStrictEqual(Answer.read(completion({ text: "{}" }), output(mode)), { _tag: "Complete", text: "{}" })
    }
  })

  it("is the arguments of the requested tool when there are several calls", () => {
    const answer = completion({ text: "Calling.", toolCalls: [call("Other", "1"), call("Person", "2")] })
    assert.deepStrictEqual(Answer.read(answer, output("tools")), { _tag: "Complete", text: "2" })
  })

  it("is the text instead of a tool call, or the arguments instead of text, when the model mixes them up", () => {
    assert.strictEqual(Answer.read(completion({ text: "{}" }), output("tools")).text, "{}")
    assert.strictEqual(Answer.read(completion({ toolCalls: [call("x", "{}")] }), output("json_schema")).text, "{}")
    assert.strictEqual(Answer.read(completion({ toolCalls: [call("misnamed", "{}")] }), output("tools")).text, "{}")
  })

  it("distinguishes refused, filtered and truncated answers", () => {
    const read = (options: Partial<Completion.Completion>) =>
      Answer.read(completion({ text: "{\"a\":", ...options }), output("json_schema"))._tag
    assert.strictEqual(read({ refusal: "No." }), "Refused")
    assert.strictEqual(read({ finishReason: "content-filter" }), "Filtered")
    assert.strictEqual(read({ finishReason: "length" }), "Truncated")
    for (const finishReason of ["stop", "tool-calls", "other", "unknown"] as const) {
      assert.strictEqual(read({ finishReason }), "Complete")
    }
  })
})
