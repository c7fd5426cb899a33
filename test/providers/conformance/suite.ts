/** What every provider does, whatever its API looks like. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Inspectable, Result, Schema, Stream } from "effect"
import {
  type Completion,
  Extraction,
  ExtractionError,
  ExtractionStream,
  Llm,
  LlmError,
  type LlmRequest
} from "effect-instructor"
import { Fault, Reply } from "effect-instructor/testing"
import { against, secret, type Subject } from "./subjects.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 130 })),
  email: Schema.optional(Schema.String)
}) {}

const ada = { name: "Ada", age: 36 }

const person = (mode: LlmRequest.OutputMode, options?: { readonly maxAttempts?: number }) =>
  Extraction.make({ schema: Person, mode, ...options })

const text = "I am Ada, and I am 36"

const ask: LlmRequest.LlmRequest = {
  model: "m",
  messages: [{ role: "user", content: "Hello" }],
  output: { mode: "text" },
  parameters: {}
}

const complete = (request: Partial<LlmRequest.LlmRequest> = {}) =>
  Llm.Llm.use((llm) => llm.complete({ ...ask, ...request }))

const parts = (request: Partial<LlmRequest.LlmRequest> = {}) =>
  Llm.Llm.use((llm) => Stream.runCollect(llm.stream({ ...ask, ...request })))

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.flip(effect).pipe(Effect.orDie)

/** A completion without what is different in each response. */
const comparable = (completion: Completion.Completion) => ({
  ...completion,
  id: undefined,
  providerData: undefined,
  rateLimits: undefined
})

const isText = (part: { readonly _tag: string }): boolean => part._tag === "TextDelta"

const modes = (subject: Subject): void => {
  for (const mode of subject.modes) {
    it.live(`${mode}: extracts a value`, () =>
      against(subject, { answer: ({ text: said }) => said.includes("Ada") ? ada : {} })(() =>
        Effect.gen(function*() {
          const value = yield* Extraction.extract(person(mode), text)
          assert.deepStrictEqual({ ...value }, ada)
          assert.instanceOf(value, Person)
        })
      ))

    it.live(`${mode}: sends the schema in the place of the mode`, () =>
      against(subject, { answer: () => ada })((ledger) =>
        Effect.gen(function*() {
          yield* Extraction.extract(person(mode), text)
          const [entry] = (yield* ledger).entries
          assert.strictEqual(entry!.request.mode, subject.wireMode?.[mode] ?? mode)
          const body = JSON.stringify(entry!.request.body)
          assert.include(body, "age")
          if (mode === "json_schema" || mode === "tools") assert.isDefined(entry!.request.schema)
        })
      ))

    it.live(`${mode}: streams a value`, () =>
      against(subject, { answer: () => ada, chunkSize: 3 })(() =>
        Effect.gen(function*() {
          const all = yield* Stream.runCollect(ExtractionStream.partial(person(mode), text))
          const last = all.at(-1)!
          assert(last._tag === "Complete")
          assert.deepStrictEqual({ ...last.value }, ada)
        })
      ))

    it.live(`${mode}: asks again with the issues`, () =>
      against(subject, { answer: ({ index }) => index === 0 ? { name: "Ada", age: 999 } : ada })((ledger) =>
        Effect.gen(function*() {
          assert.deepStrictEqual({ ...yield* Extraction.extract(person(mode), text) }, ada)
          const { entries } = yield* ledger
          assert.strictEqual(entries.length, 2)
          const again = JSON.stringify(entries[1]!.request.body)
          assert.include(again, "999")
          assert.include(again, "not valid")
        })
      ))

    it.live(`${mode}: a number that a double does not hold is no value`, () =>
      against(subject, { answer: () => "{\"id\":9007199254740993}" })(() =>
        Effect.gen(function*() {
          const identified = Extraction.make({ schema: Schema.Struct({ id: Schema.Finite }), mode, maxAttempts: 1 })
          const error = yield* failureOf(Extraction.extract(identified, text))
          assert.strictEqual(error.reason._tag, "InvalidOutput")
          assert.include(error.message, "9007199254740993")
        })
      ))

    it.live(`${mode}: a truncated answer is no value`, () =>
      against(subject, { answer: () => Reply.truncated(`{"name":"Ada","a`) })(() =>
        Effect.gen(function*() {
          const error = yield* failureOf(Extraction.extract(person(mode), text))
          assert.strictEqual(error.reason._tag, "Truncated")
        })
      ))

    it.live(`${mode}: a refusal is not asked again`, () =>
      against(subject, { answer: () => Reply.refusal("I would rather not") })((ledger) =>
        Effect.gen(function*() {
          const error = yield* failureOf(Extraction.extract(person(mode), text))
          assert.strictEqual(error.reason._tag, "Refused")
          assert.include(error.message, "I would rather not")
          assert.strictEqual((yield* ledger).requests, 1)
        })
      ))

    it.live(`${mode}: a filtered answer is no value`, () =>
      against(subject, { answer: () => Reply.filtered("") })(() =>
        Effect.gen(function*() {
          const error = yield* failureOf(Extraction.extract(person(mode), text))
          assert.include(["ContentFiltered", "Refused"], error.reason._tag)
          if (subject.filters && mode !== "tools") assert.strictEqual(error.reason._tag, "ContentFiltered")
        })
      ))

    it.live(`${mode}: an answer that never is valid keeps its texts and its usage`, () =>
      against(subject, { answer: () => ({ name: 1 }) })(() =>
        Effect.gen(function*() {
          const error = yield* failureOf(Extraction.extract(person(mode, { maxAttempts: 2 }), text))
          assert.isTrue(ExtractionError.isExtractionError(error))
          assert.strictEqual(error.reason._tag, "InvalidOutput")
          assert.strictEqual(error.attempts, 2)
          assert.isAbove(error.usage.outputTokens, 0)
        })
      ))
  }
}

const answers = (subject: Subject): void => {
  it.live("reports the text, the model, the usage and the finish reason", () =>
    against(subject, {
      answer: () =>
        Reply.withUsage("hello", { inputTokens: 100, cachedInputTokens: 30, outputTokens: 20, reasoningTokens: 5 })
    })(() =>
      Effect.gen(function*() {
        const completion = yield* complete()
        assert.strictEqual(completion.text, "hello")
        assert.strictEqual(completion.model, "m")
        assert.strictEqual(completion.finishReason, "stop")
        assert.isNotEmpty(completion.id)
        assert.deepInclude(completion.usage, {
          inputTokens: 100,
          cachedInputTokens: 30,
          outputTokens: 20,
          reasoningTokens: 5,
          unreported: 0
        })
      })
    ))

  it.live("reports the same for a stream", () =>
    against(subject, {
      chunkSize: 2,
      answer: () =>
        Reply.withUsage("hello, world", {
          inputTokens: 100,
          cachedInputTokens: 30,
          outputTokens: 20,
          reasoningTokens: 5
        })
    })(() =>
      Effect.gen(function*() {
        const all = yield* parts()
        const last = all.at(-1)!
        const said = all.filter(isText).map((part) => part._tag === "TextDelta" ? part.delta : "")
        assert.strictEqual(said.join(""), "hello, world")
        assert.isAbove(said.length, 1)
        assert(last._tag === "Finish")
        const whole = yield* complete()
        const usage = subject.hidesStreamUsage === true ? { usage: undefined } : {}
        assert.deepStrictEqual({ ...comparable(last.completion), ...usage }, { ...comparable(whole), ...usage })
      })
    ))

  it.live("reads a stream whose bytes arrive one by one", () =>
    against(subject, { answer: () => "žluťoučký kůň 🐎", fragmentSize: 1, chunkSize: 3 })(() =>
      Effect.gen(function*() {
        const last = (yield* parts()).at(-1)!
        assert(last._tag === "Finish")
        assert.strictEqual(last.completion.text, "žluťoučký kůň 🐎")
      })
    ))

  const words = `one two three STOP four ${"and so on ".repeat(12)}`

  it.live("passes what it is told on to the model", () =>
    against(subject, { answer: () => words })((ledger) =>
      Effect.gen(function*() {
        const completion = yield* complete({
          messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hello" }],
          parameters: { maxTokens: 500, stop: ["STOP"] }
        })
        assert.strictEqual(completion.text, subject.hasNoStop === true ? words : "one two three ")
        const [entry] = (yield* ledger).entries
        assert.include(JSON.stringify(entry!.request.body), "Be brief.")
        assert.strictEqual(entry!.request.text, "Hello")
        const cut = yield* complete({ parameters: { maxTokens: 16 } })
        assert.strictEqual(cut.finishReason, "length")
      })
    ))

  if (subject.modes.includes("tools")) {
    it.live("sends a call back with its result", () =>
      against(subject, { answer: () => ada })(() =>
        Effect.gen(function*() {
          const output = { mode: "tools" as const, name: "save", jsonSchema: { type: "object" }, strict: false }
          const first = yield* complete({ output })
          const [call] = first.toolCalls
          assert.deepStrictEqual(JSON.parse(call!.arguments), ada)
          assert.strictEqual(first.finishReason, "tool-calls")
          const second = yield* complete({
            output,
            messages: [
              ...ask.messages,
              {
                role: "assistant",
                content: first.text,
                toolCalls: first.toolCalls,
                ...(first.providerData !== undefined && { providerData: first.providerData })
              },
              { role: "tool", toolCallId: call!.id, content: "not valid" }
            ]
          })
          assert.deepStrictEqual(JSON.parse(second.toolCalls[0]?.arguments ?? second.text), ada)
        })
      ))

    it.live("streams the arguments of a call", () =>
      against(subject, { answer: () => ada, chunkSize: 4 })(() =>
        Effect.gen(function*() {
          const output = { mode: "tools" as const, name: "save", jsonSchema: { type: "object" }, strict: false }
          const all = yield* parts({ output })
          const deltas = all.flatMap((part) => part._tag === "ToolArgumentsDelta" ? [part] : [])
          assert.deepStrictEqual(JSON.parse(deltas.map(({ delta }) => delta).join("")), ada)
          assert.isTrue(deltas.every(({ index }) => index === 0))
          if (subject.streamsTools) assert.isAbove(deltas.length, 1)
          const last = all.at(-1)!
          assert(last._tag === "Finish")
          assert.strictEqual(last.completion.toolCalls[0]!.arguments, deltas.map(({ delta }) => delta).join(""))
        })
      ))
  }

  it.live(
    subject.limits === undefined ? "has no limits to report" : "reports the limits of the account",
    () =>
      against(subject, { answer: () => "hi", limits: { requestsPerMinute: 100, tokensPerMinute: 100_000 } })(() =>
        Effect.gen(function*() {
          const { rateLimits } = yield* complete()
          assert.deepStrictEqual(
            rateLimits?.map(({ period, unit }) => [unit, period]),
            subject.limits?.map((names) => [...names])
          )
          if (subject.limits !== undefined) assert.deepInclude(rateLimits?.[0], { limit: 100, remaining: 99 })
        })
      )
  )
}

interface Expected {
  readonly fault: Fault.Fault
  readonly reason: LlmError.Reason["_tag"]
  readonly retryable: boolean
  readonly unrecoverable?: boolean
}

const faults: Readonly<Record<string, Expected>> = {
  "a rate limit": { fault: Fault.rateLimited("2 seconds"), reason: "RateLimitError", retryable: true },
  "a spent account": {
    fault: Fault.insufficientQuota,
    reason: "QuotaExhaustedError",
    retryable: false,
    unrecoverable: true
  },
  "a failure of the server": { fault: Fault.serverError, reason: "InternalProviderError", retryable: true },
  "an overloaded server": { fault: Fault.overloaded, reason: "OverloadedError", retryable: true },
  "a bad gateway": { fault: Fault.badGateway, reason: "InternalProviderError", retryable: true },
  "a wrong key": {
    fault: Fault.error(401, { message: `Incorrect API key provided: ${secret}` }),
    reason: "AuthenticationError",
    retryable: false,
    unrecoverable: true
  },
  "a forbidden model": {
    fault: Fault.error(403, { message: "no access" }),
    reason: "AuthenticationError",
    retryable: false,
    unrecoverable: true
  },
  "an unknown model": {
    fault: Fault.error(404, { message: "model: nope", code: "model_not_found" }),
    reason: "NotFoundError",
    retryable: false,
    unrecoverable: true
  },
  "an unpaid account": {
    fault: Fault.error(402, { message: "no credit" }),
    reason: "QuotaExhaustedError",
    retryable: false,
    unrecoverable: true
  },
  "a request that is too large": {
    fault: Fault.error(413, { message: "too large" }),
    reason: "RequestTooLargeError",
    retryable: false
  },
  "an invalid request": {
    fault: Fault.error(400, { message: "no such field" }),
    reason: "InvalidRequestError",
    retryable: false
  },
  "a closed connection": { fault: Fault.drop, reason: "NetworkError", retryable: true },
  "a page instead of JSON": {
    fault: Fault.respond({ status: 200, body: "<html></html>", contentType: "text/html" }),
    reason: "InvalidResponseError",
    retryable: false
  },
  "an empty body": {
    fault: Fault.respond({ status: 200, body: "" }),
    reason: "IncompleteResponseError",
    retryable: true
  },
  "broken JSON": {
    fault: Fault.respond({ status: 200, body: `{"id":` }),
    reason: "IncompleteResponseError",
    retryable: true
  },
  "JSON of another kind": {
    fault: Fault.respond({ status: 200, body: `{"hello":"world"}` }),
    reason: "InvalidResponseError",
    retryable: false
  }
}

const errors = (subject: Subject): void => {
  for (const [name, { fault, reason, retryable, unrecoverable = false }] of Object.entries(faults)) {
    it.live(`${name} is a ${reason}`, () =>
      against(subject, { answer: () => fault })(() =>
        Effect.gen(function*() {
          const error = yield* failureOf(complete())
          assert(LlmError.isLlmError(error))
          assert.strictEqual(error.reason._tag, reason, error.message)
          assert.strictEqual(error.isRetryable, retryable)
          assert.strictEqual(error.isUnrecoverable, unrecoverable)
          assert.strictEqual(error.provider, subject.provider ?? subject.name)
          assert.notInclude(`${error.message} ${Inspectable.toStringUnknown(error)}`, secret)
          if (fault._tag === "Respond" && fault.status !== 200) {
            const streamed = yield* failureOf(parts())
            assert(LlmError.isLlmError(streamed))
            assert.strictEqual(streamed.reason._tag, reason)
          }
        })
      ))
  }

  it.live("a rate limit says how long to wait", () =>
    against(subject, { answer: () => Fault.rateLimited("2 seconds") })(() =>
      Effect.gen(function*() {
        const error = yield* failureOf(complete())
        assert(LlmError.isLlmError(error))
        assert.strictEqual(Duration.toMillis(error.retryAfter!), 2000)
      })
    ))

  it.live("no answer within the timeout is a NetworkError", () =>
    against(subject, { answer: () => Fault.hang }, { timeout: true })(() =>
      Effect.gen(function*() {
        const error = yield* failureOf(complete())
        assert(LlmError.isLlmError(error))
        assert.strictEqual(error.reason._tag, "NetworkError")
      })
    ))

  it.live("a stream that is cut anywhere is no answer", () =>
    Effect.gen(function*() {
      const value = { name: "Ada", age: 36, email: "ada@example.org" }
      let cut = 0
      for (let afterChunks = 0; afterChunks < 12; afterChunks++) {
        const result = yield* against(subject, {
          answer: () => Fault.dropInside(value, { afterChunks }),
          chunkSize: 12
        })(() => Effect.result(parts()))
        if (Result.isSuccess(result)) {
          const last = result.success.at(-1)!
          assert(last._tag === "Finish")
          assert.deepStrictEqual(JSON.parse(last.completion.text), value)
        } else {
          cut++
          assert(LlmError.isLlmError(result.failure))
          assert.isTrue(result.failure.isRetryable, result.failure.message)
        }
      }
      assert.isAbove(cut, 3)
    }))

  it.live("an answer that is cut is no answer", () =>
    against(subject, { answer: () => Fault.dropInside(ada, { afterChunks: 1 }) })(() =>
      Effect.gen(function*() {
        const error = yield* failureOf(complete())
        assert(LlmError.isLlmError(error))
        assert.include(["IncompleteResponseError", "NetworkError"], error.reason._tag)
      })
    ))

  it.live("interruption aborts a request and a stream", () =>
    against(subject, { answer: ({ stream }) => stream ? Fault.hangInside(ada, { afterChunks: 1 }) : Fault.hang })((
      ledger
    ) =>
      Effect.gen(function*() {
        for (const use of [complete(), parts()]) {
          const before = (yield* ledger).requests
          const fiber = yield* Effect.forkChild(Effect.ignore(use))
          yield* Effect.repeat(ledger, { until: ({ requests }) => requests > before })
          yield* Fiber.interrupt(fiber)
          yield* Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), ledger), {
            until: ({ inFlight }) => inFlight === 0
          })
        }
        assert.isAtLeast((yield* ledger).aborted, 1)
      })
    ))

  it.live("a key that the server repeats appears nowhere", () =>
    against(subject, { answer: () => Fault.respond({ status: 500, body: `{"error":{"message":"key ${secret}"}}` }) })(
      () =>
        Effect.gen(function*() {
          const error = yield* failureOf(complete())
          assert(LlmError.isLlmError(error))
          const shown = `${error.message} ${String(error.cause)} ${JSON.stringify(error)} ${
            Inspectable.toStringUnknown(error)
          }`
          assert.notInclude(shown, secret)
          const llm = yield* Llm.Llm
          assert.notInclude(Inspectable.toStringUnknown(llm), secret)
        })
    ))
}

/** The whole suite over some providers. */
export const conform = (subjects: ReadonlyArray<Subject>): void => {
  for (const subject of subjects) {
    describe(`${subject.name} has`, () => {
      modes(subject)
      answers(subject)
      errors(subject)
    })
  }
}
