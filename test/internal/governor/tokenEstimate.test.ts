import { assert, describe, it } from "@effect/vitest"
import { type LlmRequest, Usage } from "effect-instructor"
import * as TokenEstimate from "../../../src/middleware/governor/internal/tokenEstimate.ts"

const output: LlmRequest.OutputFormat = { mode: "text" }

const request = (maxTokens?: number): LlmRequest.LlmRequest => ({
  model: "m",
  messages: [],
  output,
  parameters: maxTokens === undefined ? {} : { maxTokens }
})

const learn = (estimate: TokenEstimate.TokenEstimate, counted: number, inputTokens: number, outputTokens = 0) =>
  TokenEstimate.learn(estimate, request(), counted, { ...Usage.zero, inputTokens, outputTokens })

describe("tokenEstimate", () => {
  it("is our own count before five answers are known", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 4; i++) learn(estimate, 100, 200)
    assert.strictEqual(TokenEstimate.prompt(estimate, request(), 100), 100)
    learn(estimate, 100, 200)
    assert.strictEqual(TokenEstimate.prompt(estimate, request(), 100), 200)
  })

  it("follows a line over our count", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 200; i++) learn(estimate, 100 + i, 50 + 1.5 * (100 + i))
    assert.approximately(TokenEstimate.prompt(estimate, request(), 1000), 1550, 15)
    assert.approximately(TokenEstimate.prompt(estimate, request(), 100), 200, 15)
  })

  it("scales our count where all prompts are equally long", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 50; i++) learn(estimate, 100, 130)
    assert.approximately(TokenEstimate.prompt(estimate, request(), 1000), 1300, 0.001)
  })

  it("follows a change within some fifty answers", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 500; i++) learn(estimate, 100, 100)
    for (let i = 0; i < 150; i++) learn(estimate, 100, 200)
    assert.approximately(TokenEstimate.prompt(estimate, request(), 100), 200, 10)
  })

  it("is at least 1, and rises with our count by a tenth at least and four times at most", () => {
    const falling = TokenEstimate.make()
    for (let i = 0; i < 50; i++) learn(falling, 100 + i, 200 - i)
    assert.isAbove(TokenEstimate.prompt(falling, request(), 1100), TokenEstimate.prompt(falling, request(), 100))
    assert.strictEqual(TokenEstimate.prompt(falling, request(), -1e6), 1)
    const steep = TokenEstimate.make()
    for (let i = 0; i < 50; i++) learn(steep, 100 + i, 100 + 50 * i)
    const difference = TokenEstimate.prompt(steep, request(), 1100) - TokenEstimate.prompt(steep, request(), 100)
    assert.approximately(difference, 4000, 0.001)
  })

  it("learns nothing from usage that was not reported, and no prompt from one that is 0", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 50; i++) {
      TokenEstimate.learn(estimate, request(), 100, { ...Usage.zero, inputTokens: 500, unreported: 1 })
      learn(estimate, 100, 0, 40)
    }
    assert.strictEqual(TokenEstimate.prompt(estimate, request(), 100), 100)
    assert.approximately(TokenEstimate.answer(estimate, request()), 40, 0.001)
  })

  it("counts an answer as long as it may be, or else as long as answers are", () => {
    const estimate = TokenEstimate.make()
    assert.strictEqual(TokenEstimate.answer(estimate, request(500)), 500)
    assert.strictEqual(TokenEstimate.answer(estimate, request()), 16)
    for (let i = 0; i < 100; i++) learn(estimate, 100, 100, i % 2 === 0 ? 80 : 120)
    assert.approximately(TokenEstimate.answer(estimate, request()), 100, 5)
    assert.strictEqual(TokenEstimate.answer(estimate, request(500)), 500)
  })

  it("knows the longest of the last two hundred answers from the thirtieth on", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 29; i++) learn(estimate, 100, 100, i)
    assert.isUndefined(TokenEstimate.longestAnswer(estimate, request()))
    learn(estimate, 100, 100, 29)
    assert.strictEqual(TokenEstimate.longestAnswer(estimate, request()), 29)
    for (let i = 0; i < 200; i++) learn(estimate, 100, 100, 7)
    assert.strictEqual(TokenEstimate.longestAnswer(estimate, request()), 7)
  })

  it("keeps what it knows apart for each output format", () => {
    const estimate = TokenEstimate.make()
    for (let i = 0; i < 50; i++) learn(estimate, 100, 200)
    assert.strictEqual(TokenEstimate.prompt(estimate, { ...request(), output: { mode: "text" } }, 100), 100)
  })
})
