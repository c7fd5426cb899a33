import { assert, describe, it } from "@effect/vitest"
import type { LlmRequest } from "effect-instructor"
import * as FromMessage from "../../../../src/providers/anthropic/internal/completion.ts"

const request: LlmRequest.LlmRequest = {
  model: "claude",
  messages: [],
  output: { mode: "tools", name: "Tags", jsonSchema: {} },
  parameters: {}
}

const argumentsOf = (input: object, stopReason: string) => {
  const completion = FromMessage.fromBody(
    { content: [{ type: "tool_use", id: "1", name: "Tags", input }], stop_reason: stopReason },
    request,
    (text) => text,
    undefined
  )
  return typeof completion === "string" ? completion : completion.toolCalls[0]!.arguments
}

describe("the call of an answer that was cut off", () => {
  // The API closes what was cut off, so that the input looks whole.
  it("is not whole, and ends before the value that may be cut off", () => {
    const cut = { name: "Ada", tags: ["a", "b"] }
    assert.strictEqual(argumentsOf(cut, "tool_use"), "{\"name\":\"Ada\",\"tags\":[\"a\",\"b\"]}")
    assert.strictEqual(argumentsOf(cut, "max_tokens"), "{\"name\":\"Ada\",\"tags\":[\"a\",")
    assert.strictEqual(argumentsOf({ name: "Ada", n: 12 }, "max_tokens"), "{\"name\":\"Ada\",\"n\":")
    assert.strictEqual(argumentsOf({ text: "say \"x\\" }, "max_tokens"), "{\"text\":")
    assert.strictEqual(argumentsOf({ list: [] }, "max_tokens"), "{\"list\":[")
    assert.strictEqual(argumentsOf({}, "max_tokens"), "{")
  })
})
