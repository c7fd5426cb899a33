import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Schema, Stream } from "effect"
import { Extraction, Llm, LlmError } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { inspect } from "node:util"
import { OpenAI } from "openai"
import { complete, Person, person, request } from "../../support/people.ts"
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

  /** Everything that an error can be shown as. */
  const shown = (error: LlmError.LlmError): string =>
    [
      error.message,
      String(error),
      inspect(error, { depth: 20, showHidden: true }),
      JSON.stringify(error),
      JSON.stringify(Schema.encodeSync(LlmError.LlmError)(error)),
      inspect(Exit.fail(error), { depth: 20 })
    ].join("\n")

  const echo = (secret: string) =>
    Fault.error(400, {
      message: `bad key ${secret}`,
      type: secret,
      code: secret,
      param: secret,
      headers: {
        "x-request-id": secret,
        server: secret,
        via: secret,
        "x-ratelimit-limit-requests": secret,
        "x-ratelimit-remaining-requests": secret,
        "retry-after": secret
      }
    })

  for (
    const [name, options, secret] of [
      ["a key", { apiKey: Redacted.make(key) }, key],
      ["a key with spaces around it", { apiKey: Redacted.make(` ${key} `) }, key],
      ["a short key", { apiKey: Redacted.make("s3cr3t") }, "s3cr3t"],
      ["a key in Base64", { apiKey: Redacted.make(key) }, btoa(key)],
      ["a key in Base64 without padding", { apiKey: Redacted.make(key) }, btoa(key).replace(/=+$/, "")],
      ["an encoded key", { apiKey: Redacted.make("a/b+c d=e&f") }, encodeURIComponent("a/b+c d=e&f")],
      ["a key with quotes", { apiKey: Redacted.make("a\"b\"c\"d\"e") }, "a\"b\"c\"d\"e"],
      ["a header named as a secret", { headers: { "X-Api-Key": "k3y" } }, "k3y"],
      ["a long header", { headers: { "x-tenant": "tenant-0123456789" } }, "tenant-0123456789"],
      ["the token of a header", { headers: { "Proxy-Authorization": "Bearer t0k3n-of-proxy" } }, "t0k3n-of-proxy"],
      [
        "the password of a header",
        { headers: { "x-basic": `Basic ${btoa("name:p4ssw0rd")}` } },
        "p4ssw0rd"
      ]
    ] as const
  ) {
    it.live(`do not appear in an error when the server repeats ${name} wherever it can`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(complete)
        assert.strictEqual(error.reason._tag, "InvalidRequestError")
        assert.include(error.message, "bad key <redacted>")
        assert.notInclude(shown(error), secret)
        assert.notInclude(shown(error), JSON.stringify(secret).slice(1, -1))
      }).pipe(Effect.provide(bare({ answer: () => echo(secret) }, options))))
  }

  it.live("do not appear in an error when the key is a function, whichever key is current", () =>
    Effect.gen(function*() {
      let calls = 0
      const { baseUrl } = yield* OpenAiSimulator.make({ answer: () => echo(`rotating-key-${calls}`) })
      const llm = OpenAi.make(
        new OpenAI({ apiKey: () => Promise.resolve(`rotating-key-${++calls}`), baseURL: baseUrl })
      )
      for (let i = 0; i < 3; i++) {
        assert.notInclude(shown(yield* Effect.flip(llm.complete(request))), "rotating")
      }
    }))

  it.live("do not appear in a completion outside its text", () =>
    Effect.gen(function*() {
      const completions = [
        yield* complete,
        yield* Llm.Llm.use((llm) => Stream.runCollect(llm.stream(request))).pipe(
          Effect.map((parts) => {
            const end = parts.at(-1)!
            return end._tag === "Finish" ? end.completion : undefined
          })
        )
      ]
      for (const completion of completions) {
        assert.strictEqual(completion?.id, "<redacted>")
        assert.notInclude(JSON.stringify(completion), key)
      }
    }).pipe(
      Effect.provide(bare({
        answer: ({ stream }) => {
          const message = {
            content: "",
            refusal: key,
            tool_calls: [{ index: 0, id: key, function: { name: "f", arguments: "{}" } }]
          }
          const body = { id: key, model: key, service_tier: key }
          return stream
            ? Fault.respond({
              status: 200,
              contentType: "text/event-stream",
              body: `data: ${
                JSON.stringify({ ...body, choices: [{ delta: message, finish_reason: "stop" }] })
              }\n\ndata: [DONE]\n\n`
            })
            : Fault.respond({ status: 200, body: JSON.stringify({ ...body, choices: [{ message }] }) })
        }
      }, { apiKey: Redacted.make(key) }))
    ))

  it.live("leave the text of an answer as it is, even where a short key occurs in it", () =>
    Effect.gen(function*() {
      const completion = yield* complete
      assert.strictEqual(completion.text, "the ollama of llamas")
      assert.strictEqual(completion.model, "test-model")
    }).pipe(Effect.provide(bare({ answer: () => "the ollama of llamas" }, { apiKey: Redacted.make("ollama") }))))

  it.live("are whole words in messages if they are short", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(complete)
      assert.include(error.message, "wrong key <redacted> for the kiosk")
    }).pipe(
      Effect.provide(
        bare({ answer: () => Fault.error(400, { message: "wrong key k for the kiosk" }) }, {
          apiKey: Redacted.make("k")
        })
      )
    ))

  it.live("control characters do not appear in messages", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(complete)
      assert.match(error.message, /red +\[31m and +a bell/)
    }).pipe(Effect.provide(bare({ answer: () => Fault.error(400, { message: "red \u001b[31m\nand\u0007 a bell" }) }))))
})
