/** A program under test: the mock Layer stands in for the model, and nothing else changes. */
import { Effect, Schema } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import assert from "node:assert/strict"
import { test } from "node:test"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })

/** The program: greets everyone it can read. */
const greetings = (texts: ReadonlyArray<string>) =>
  Effect.map(
    Batch.results(person, texts, { concurrency: 2 }),
    (results) =>
      results.map((result) => result._tag === "Success" ? `Hello, ${result.success.name}!` : result.failure.reason._tag)
  )

void test("greets people, and tells what it could not read", () =>
  Effect.gen(function*() {
    const said = yield* greetings(["I am Ada, 36", "secret", "fog"])
    assert.deepEqual(said, ["Hello, Ada!", "Refused", "InvalidOutput"])
    // Ada and the refusal took one request each, the fog all three attempts.
    assert.equal((yield* MockLlm.requests).length, 5)
  }).pipe(
    Effect.provide(MockLlm.layer({
      "I am Ada, 36": { name: "Ada", age: 36 },
      "secret": Reply.refusal("I cannot read that."),
      "fog": { name: null, age: null }
    })),
    Effect.runPromise
  ))
