import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { CompletionPart } from "../../../../src/llm/Completion.ts"
import { dropped as anthropicDrops } from "../../../../src/providers/anthropic/internal/request.ts"
import { dropped as googleDrops } from "../../../../src/providers/google/internal/request.ts"
import * as FromBody from "../../../../src/providers/openai/internal/completion.ts"
import { openAi } from "../../../../src/providers/openai/internal/request.ts"
import { makeCollector } from "../../../../src/providers/openai/internal/stream.ts"

const server = { provider: "openai", secrets: { redact: (text: string) => text }, rateLimits: [] } as never

const content = (token: string, logprob: number) => ({ content: [{ token, logprob, bytes: [1], top_logprobs: [] }] })

describe("log probabilities", () => {
  it("are asked for, and a provider without them says that it ignores the parameter", () => {
    const request = {
      model: "m",
      messages: [{ role: "user" as const, content: "x" }],
      output: { mode: "text" as const },
      parameters: { logprobs: true }
    }
    assert.strictEqual((Result.getOrThrow(openAi.toBody(request)) as { logprobs?: boolean }).logprobs, true)
    assert.deepStrictEqual([anthropicDrops(request), googleDrops(request)], [["logprobs"], ["logprobs"]])
  })

  it("are read from a body, without what is no log probability", () => {
    const body = {
      id: "1",
      choices: [{
        message: { content: "ab" },
        finish_reason: "stop",
        logprobs: { content: [{ token: "a", logprob: -0.5 }, { token: "b" }, 7, { token: "c", logprob: -1.25 }] }
      }]
    }
    const completion = Result.getOrThrow(FromBody.fromJson(body, {}, "m", server, () => 0))
    assert.deepStrictEqual(completion.logprobs, [{ token: "a", logprob: -0.5 }, { token: "c", logprob: -1.25 }])
    const without = { ...body, choices: [{ ...body.choices[0], logprobs: null }] }
    assert.isUndefined(Result.getOrThrow(FromBody.fromJson(without, {}, "m", server, () => 0)).logprobs)
  })

  it("are collected from a stream", () => {
    const collector = makeCollector({ headers: {} } as never, "m", server, () => 0)
    const out: Array<CompletionPart> = []
    for (const [text, logprob] of [["a", -0.5], ["b", -0.25], ["a", -0.5], ["c", 0]] as const) {
      const chunk = { id: "1", choices: [{ index: 0, delta: { content: text }, logprobs: content(text, logprob) }] }
      collector.event("", JSON.stringify(chunk), out)
    }
    collector.event("", JSON.stringify({ id: "1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }), out)
    const completion = collector.finish()!
    assert.deepStrictEqual(
      (completion as { logprobs?: ReadonlyArray<{ token: string }> }).logprobs?.map(({ token }) => token),
      [
        "a",
        "b",
        "a",
        "c"
      ]
    )
  })
})
