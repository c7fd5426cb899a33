/** A test of a program: it provides a mock instead of the model, and nothing else changes. */
import { Effect, Schema } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import assert from "node:assert/strict"
import { test } from "node:test"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })

/** The program under test. */
const greetings = (texts: ReadonlyArray<string>) =>
  Effect.map(
    Batch.results(person, texts, { concurrency: 2 }),
    (results) =>
      results.map((result) => result._tag === "Success" ? `Hello, ${result.success.name}!` : result.failure.reason._tag)
  )

void test("greets people and reports the texts that failed", () =>
  Effect.gen(function*() {
    const output = yield* greetings(["I am Ada, 36", "secret", "fog"])
    assert.deepEqual(output, ["Hello, Ada!", "Refused", "InvalidOutput"])
    // One request each for Ada and the refusal, and three attempts for the fog.
    assert.equal((yield* MockLlm.requests).length, 5)
  }).pipe(
    Effect.provide(MockLlm.layer({
      "I am Ada, 36": { name: "Ada", age: 36 },
      "secret": Reply.refusal("I cannot read that."),
      "fog": { name: null, age: null }
    })),
    Effect.runPromise
  ))
