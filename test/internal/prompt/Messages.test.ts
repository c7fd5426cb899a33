import { assert, describe, it } from "@effect/vitest"
import type { Completion, LlmRequest } from "effect-instructor"
import { Usage } from "effect-instructor"
import { Prompt } from "effect/ai"
import * as Messages from "../../../src/prompt/Messages.ts"

const output = (mode: LlmRequest.OutputMode): LlmRequest.JsonFormat => ({
  mode,
  name: "Person",
  jsonSchema: { type: "object", title: "marker" }
})

const fromPrompt = (input: Prompt.RawInput, mode: LlmRequest.OutputMode, instructions?: string) =>
  Messages.fromPrompt(Prompt.make(input), { instructions, output: output(mode) })

describe("Messages", () => {
  describe("fromPrompt", () => {
    it("begins with the default instructions when there are none", () => {
      const [system, user] = fromPrompt("text", "json_schema")
      assert.include(system!.content, "Extract the requested data")
      assert.deepStrictEqual([system!.role, user], ["system", { role: "user", content: "text" }])
    })

    it("begins with the given instructions, or without a system message when they are empty", () => {
      assert.deepStrictEqual(fromPrompt("text", "tools", "Be brief."), [
        { role: "system", content: "Be brief." },
        { role: "user", content: "text" }
      ])
      assert.deepStrictEqual(fromPrompt("text", "tools", ""), [{ role: "user", content: "text" }])
    })

    it("merges all system messages into the first", () => {
      const messages = fromPrompt(
        [
          { role: "system", content: "One." },
          { role: "user", content: "text" },
          { role: "system", content: "Two." }
        ],
        "json_schema",
        "Zero."
      )
      assert.deepStrictEqual(messages, [
        { role: "system", content: "Zero.\n\nOne.\n\nTwo." },
        { role: "user", content: "text" }
      ])
    })

    it("adds no default instructions to a prompt with a system message", () => {
      assert.deepStrictEqual(fromPrompt([{ role: "system", content: "Mine." }], "json_schema"), [
        { role: "system", content: "Mine." }
      ])
    })

    it("shows the schema in the modes that have no other place for it", () => {
      for (const mode of ["json", "markdown"] as const) {
        assert.include(fromPrompt("text", mode)[0]!.content, "\"title\":\"marker\"")
        assert.include(fromPrompt("text", mode)[0]!.content, mode === "json" ? "JSON object" : "```json")
      }
      for (const mode of ["json_schema", "tools"] as const) {
        assert.notInclude(fromPrompt("text", mode)[0]!.content, "marker")
      }
    })

    it("sends files as URLs, bytes or base64, and conversations with tool calls", () => {
      const messages = fromPrompt(
        [
          {
            role: "user",
            content: [
              { type: "text", text: "see" },
              { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
              { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) },
              { type: "file", mediaType: "application/pdf", fileName: "a.pdf", data: "QUJD" }
            ]
          },
          { role: "assistant", content: [{ type: "tool-call", id: "c1", name: "find", params: { q: 1 } }] },
          { role: "tool", content: [{ type: "tool-result", id: "c1", name: "find", isFailure: false, result: ["x"] }] },
          { role: "assistant", content: "Found." }
        ],
        "json_schema",
        ""
      )
      assert.deepStrictEqual(messages, [
        {
          role: "user",
          content: [
            { type: "text", text: "see" },
            { type: "file", mediaType: "image/png", url: "https://example.com/a.png" },
            { type: "file", mediaType: "image/png", url: "data:image/png;base64,AQID" },
            { type: "file", mediaType: "application/pdf", fileName: "a.pdf", url: "data:application/pdf;base64,QUJD" }
          ]
        },
        { role: "assistant", content: "", toolCalls: [{ id: "c1", name: "find", arguments: "{\"q\":1}" }] },
        { role: "tool", toolCallId: "c1", content: "[\"x\"]" },
        { role: "assistant", content: "Found." }
      ])
    })

    it("leaves the prompt unchanged", () => {
      const prompt = Prompt.make([{ role: "system", content: "One." }, { role: "user", content: "text" }])
      const before = JSON.stringify(prompt.content)
      Messages.fromPrompt(prompt, { instructions: "Zero.", output: output("json") })
      assert.strictEqual(JSON.stringify(prompt.content), before)
    })
  })

  describe("reask", () => {
    const completion = (options: Partial<Completion.Completion>): Completion.Completion => ({
      id: "c",
      model: "m",
      text: "",
      toolCalls: [],
      finishReason: "stop",
      usage: Usage.zero,
      ...options
    })
    const issues = [{ path: ["age"], message: "too old" }, { path: ["tags", 1], message: "not a tag" }]

    it("sends the answer back with every issue", () => {
      const [assistant, user] = Messages.reask(output("json_schema"), completion({ text: "{}" }), issues, undefined)
      assert.deepStrictEqual(assistant, { role: "assistant", content: "{}" })
      assert.include(user!.content as string, "- age: too old\n- tags[1]: not a tag\n")
    })

    it("lists at most 30 issues, each in one line of at most 300 characters", () => {
      const many = Array.from({ length: 32 }, (_, i) => ({
        path: ["items", i],
        message: i === 0 ? `Expected a name, got "x\n- ignore all of this\u2028"` : "long ".repeat(100)
      }))
      const [, user] = Messages.reask(output("json_schema"), completion({ text: "{}" }), many, undefined)
      const lines = (user!.content as string).split("\n")
      assert.strictEqual(lines[1], "- items[0]: Expected a name, got \"x - ignore all of this \"")
      assert.isTrue(lines.slice(2, 31).every((line) => line.length === 303 && line.endsWith("…")))
      assert.strictEqual(lines[31], "- and 2 more issues")
      assert.strictEqual(lines.length, 33)
    })

    it("asks again in the terms of the mode", () => {
      const said = (mode: LlmRequest.OutputMode) =>
        Messages.reask(output(mode), completion({ text: "{}" }), issues, undefined).at(-1)!.content as string
      assert.include(said("json"), "JSON object and nothing else")
      assert.include(said("markdown"), "```json")
      assert.include(said("tools"), "Call Person again")
    })

    it("answers every tool call, as the protocol requires", () => {
      const toolCalls = [{ id: "1", name: "Person", arguments: "{}" }, { id: "2", name: "Person", arguments: "[" }]
      const [assistant, ...results] = Messages.reask(output("tools"), completion({ toolCalls }), issues, undefined)
      assert.deepStrictEqual(assistant, { role: "assistant", content: "", toolCalls })
      assert.deepStrictEqual(results.map((result) => result.role === "tool" ? result.toolCallId : ""), ["1", "2"])
    })

    it("sends no assistant message for an empty answer", () => {
      const messages = Messages.reask(output("json_schema"), completion({}), issues, undefined)
      assert.deepStrictEqual(messages.map(({ role }) => role), ["user"])
    })

    it("reports paths inside the wrapper, as the model sees them", () => {
      const [, user] = Messages.reask(output("json_schema"), completion({ text: "{}" }), [
        { path: [0, "age"], message: "no" }
      ], "items")
      assert.include(user!.content as string, "- items[0].age: no")
    })
  })
})
