import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { ExtractionError, LlmError, Usage } from "effect-instructor"
import { AiError } from "effect/ai"

const provider = (reason: LlmError.Reason) =>
  new ExtractionError.ProviderFailure({ error: new LlmError.LlmError({ provider: "mock", reason }) })

const error = (reason: ExtractionError.Reason) =>
  new ExtractionError.ExtractionError({ extraction: "person", reason, attempts: 1, usage: Usage.zero })

const invalid = (count: number) =>
  new ExtractionError.InvalidOutput({
    attempts: [{
      text: "{}",
      issues: Array.from({ length: count }, (_, i) => ({ path: ["items", i], message: "Expected string" }))
    }]
  })

const lost = new LlmError.LlmError({
  provider: "mock",
  reason: new LlmError.IncompleteResponseError({ description: "reset" })
})

/** One error of each reason. */
const reasons: ReadonlyArray<ExtractionError.Reason> = [
  provider(new AiError.RateLimitError({})),
  invalid(2),
  new ExtractionError.Truncated({ text: "{", maxTokens: 5 }),
  new ExtractionError.Refused({ refusal: "No." }),
  new ExtractionError.ContentFiltered({ text: "{" }),
  new ExtractionError.UnsupportedSchema({ path: "$.a", description: "it accepts any value" }),
  new ExtractionError.InvalidInput({ description: "The row is empty" }),
  new ExtractionError.TimedOut({ after: Duration.seconds(3) }),
  new ExtractionError.BudgetExceeded({ description: "The budget of $1 is spent" }),
  new ExtractionError.Disconnected({ text: "{", error: lost }),
  new ExtractionError.Stalled({ text: "{", after: Duration.minutes(1) }),
  new ExtractionError.LimitExceeded({ limit: "maxDepth", maximum: 256 }),
  new ExtractionError.Skipped({ description: "the batch stopped" })
]

describe("ExtractionError", () => {
  it("formats issues with paths like property accesses in code", () => {
    const format = (...path: ReadonlyArray<string | number>) => ExtractionError.formatIssue({ path, message: "no" })
    assert.strictEqual(format(), "no")
    assert.strictEqual(format("a", "b", 0, "c"), "a.b[0].c: no")
    assert.strictEqual(format(0), "[0]: no")
    assert.strictEqual(format("größe", "two words", "1"), "größe[\"two words\"][\"1\"]: no")
  })

  it("names the extraction, the reason and what to do about it", () => {
    assert.deepStrictEqual(
      reasons.map((reason) => error(reason).message.startsWith(`Extraction of person failed (${reason._tag}). `)),
      reasons.map(() => true)
    )
    assert.include(error(invalid(1)).message, "raise maxAttempts")
  })

  it("shows at most ten issues", () => {
    const { message } = error(invalid(12))
    assert.strictEqual(message.match(/^- items\[/gm)?.length, 10)
    assert.include(message, "- and 2 more")
  })

  it("is unrecoverable where every other input would fail for the same reason", () => {
    assert.deepStrictEqual(reasons.filter((reason) => error(reason).isUnrecoverable).map(({ _tag }) => _tag), [
      "UnsupportedSchema",
      "BudgetExceeded"
    ])
    assert.isTrue(error(provider(new AiError.AuthenticationError({ kind: "InvalidKey" }))).isUnrecoverable)
    assert.isFalse(error(provider(new AiError.InvalidRequestError({ description: "x" }))).isUnrecoverable)
  })

  it.effect("survives serialisation, whatever its reason", () =>
    Effect.gen(function*() {
      const codec = Schema.toCodecJson(ExtractionError.ExtractionError)
      for (const reason of reasons) {
        const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(error(reason))))
        const revived = yield* Schema.decodeEffect(codec)(json)
        assert.isTrue(ExtractionError.isExtractionError(revived))
        assert.strictEqual(revived.message, error(reason).message)
        assert.strictEqual(revived.isUnrecoverable, error(reason).isUnrecoverable)
      }
    }))
})
