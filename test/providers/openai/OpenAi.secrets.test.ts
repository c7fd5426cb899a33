import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted } from "effect"
import { Extraction, Llm } from "effect-instructor"
import { Fault } from "effect-instructor/testing"
import { inspect } from "node:util"
import { complete, Person, person } from "../../support/people.ts"
import { bare } from "../../support/simulated.ts"

describe("OpenAi secrets", () => {
  const key = "sk-test-0123456789-secret"

  it.live("do not appear in an error, its message or its inspection", () =>
    Effect.gen(function*() {
      const failures = [
        Fault.error(401, { message: `Incorrect API key provided: ${key}.`, code: "invalid_api_key" }),
        Fault.error(400, { message: `bad header Authorization: Bearer ${key}` }),
        Fault.respond({ status: 502, contentType: "text/html", body: `<p>Bearer ${key}</p>` })
      ]
      for (const fault of failures) {
        const error = yield* Effect.flip(Extraction.extract(Person, "text")).pipe(
          Effect.provide(bare({ answer: () => fault }, { apiKey: Redacted.make(key) }))
        )
        const exit = Exit.fail(error)
        for (
          const shown of [
            error.message,
            String(error),
            inspect(error, { depth: 20 }),
            inspect(exit, { depth: 20 }),
            JSON.stringify(error)
          ]
        ) {
          assert.notInclude(shown, key)
          assert.notInclude(shown, "0123456789")
        }
      }
    }))

  it.live("are sent to the server, and not shown by the service", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      assert.deepStrictEqual((yield* complete).text, JSON.stringify(person))
      assert.notInclude(inspect(llm, { depth: 20, showHidden: true }), "0123456789")
    }).pipe(Effect.provide(bare({ answer: () => person, apiKey: key }, { apiKey: Redacted.make(key) }))))

  it.live("do not appear in OpenAI's own quotation of a wrong key", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(complete)
      assert.include(error.message, "Incorrect API key provided: <redacted>")
    }).pipe(
      Effect.provide(bare({ answer: () => person, apiKey: "sk-the-right-one" }, { apiKey: Redacted.make(key) }))
    ))
})
