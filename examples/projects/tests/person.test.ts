/** Tests of code that uses a model, without one. */
import { Effect } from "effect"
import { MockLlm, Reply } from "effect-instructor/testing"
import assert from "node:assert/strict"
import { test } from "node:test"
import { ageOf } from "./person.ts"

test("takes the age of the answer", async () => {
  const program = Effect.provide(ageOf("I am Ada, 36"), MockLlm.layer({ "I am Ada, 36": { name: "Ada", age: 36 } }))
  assert.equal(await Effect.runPromise(program), 36)
})

test("has no age if the model refuses", async () => {
  const program = Effect.provide(ageOf("secret"), MockLlm.layer(() => Reply.refusal("I cannot help with that.")))
  assert.equal(await Effect.runPromise(program), undefined)
})
