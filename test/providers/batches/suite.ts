/** What every provider's batches have to do, over the simulator of its API. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Result, Schedule, Schema, Stream } from "effect"
import { Batch, Extraction, Journal, type Llm, LlmBatch, OfflineBatch } from "effect-instructor"
import { Fault, Reply } from "effect-instructor/testing"
import type { OpenAiSimulator } from "effect-instructor/testing/simulators"

interface Connection {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted | undefined
}

export interface Subject {
  readonly name: string
  readonly start: (options: OpenAiSimulator.Options) => ReturnType<typeof OpenAiSimulator.make>
  readonly connect: (connection: Connection) => Layer.Layer<LlmBatch.LlmBatch | Llm.Llm>
}

export const echo = Extraction.make({ schema: Schema.Struct({ text: Schema.String }), name: "Echo", maxAttempts: 2 })
export const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)
export const poll = Schedule.spaced("20 millis")

const simulate = (subject: Subject, options?: Partial<OpenAiSimulator.Options>) =>
  Layer.unwrap(
    Effect.map(
      subject.start({ answer: ({ text }) => ({ text }), ...options }),
      ({ baseUrl }) =>
        subject.connect({ baseUrl, apiKey: options?.apiKey === undefined ? undefined : Redacted.make("right") })
    )
  )

const summary = <A, In>(items: ReadonlyArray<Batch.Item<A, In>>) =>
  items.toSorted((a, b) => a.index - b.index).map(({ result }) =>
    Result.isSuccess(result) ? result.success : result.failure.reason._tag
  )

const list = Stream.runCollect(Stream.unwrap(Effect.map(LlmBatch.LlmBatch, ({ list }) => list)))

export const run = (subject: Subject) => {
  const provide = (options?: Partial<OpenAiSimulator.Options>) => simulate(subject, options)
  describe(`the batches of ${subject.name}`, () => {
    it.live("gives the values of the online run, with the batch price", () =>
      Effect.gen(function*() {
        const offline = yield* Stream.runCollect(
          Batch.offline(echo, texts(25), { maxRequests: 10, poll, ordered: true })
        )
        const online = yield* Stream.runCollect(Batch.stream(echo, texts(25), { ordered: true }))
        assert.deepStrictEqual(summary(offline), summary(online))
        for (const [i, { usage }] of offline.entries()) {
          assert.strictEqual(usage.batchInputTokens, usage.inputTokens)
          assert.closeTo(usage.usd, online[i]!.usage.usd / 2, 1e-12)
        }
        const batches = yield* list
        assert.deepStrictEqual(batches.map(({ counts }) => counts.completed), [5, 10, 10])
        assert.deepStrictEqual(batches.map(({ reference }) => reference.requests), [5, 10, 10])
      }).pipe(Effect.provide(provide())))

    it.live("reads the rows of output and error files", () =>
      Effect.gen(function*() {
        const items = yield* Stream.runCollect(
          Batch.offline(echo, ["fine", "refused", "bad request", "busy", "limited", "wrong"], { poll })
        )
        assert.deepStrictEqual(summary(items), [
          { text: "fine" },
          "Refused",
          "ProviderFailure",
          { text: "busy" },
          { text: "limited" },
          { text: "wrong" }
        ])
      }).pipe(Effect.provide(provide({
        answer: (() => {
          const seen = new Set<string>()
          return ({ body, text: last }) => {
            // The last message of a reask is not the input.
            const text = JSON.stringify(body).includes("wrong") ? "wrong" : last
            const again = seen.has(text)
            seen.add(text)
            switch (text) {
              case "refused":
                return Reply.refusal("No.")
              case "bad request":
                return Fault.error(400, { message: "Bad", code: "context_length_exceeded" })
              case "busy":
                return again ? { text } : Fault.error(500, { message: "Busy" })
              case "limited":
                return again ? { text } : Fault.error(429, { message: "Slow", code: "rate_limit_exceeded" })
              default:
                return text === "wrong" && !again ? { no: 1 } : { text }
            }
          }
        })()
      }))))

    const traps: ReadonlyArray<readonly [string, OpenAiSimulator.BatchTrap, number]> = [
      ["expires with a part of its output", { ends: "expired", answered: 2 }, 2],
      ["fails without a reason", { ends: "failed" }, 2],
      ["completes without files", { noFiles: true }, 2],
      ["completes with empty ids", { emptyIds: true }, 1],
      ["completes with a part of its rows", { answered: 3 }, 2],
      ["has output that is missing at first", { contentMissing: 1 }, 1],
      ["vanishes", { unknown: true }, 1]
    ]
    for (const [name, trap, batches] of traps) {
      it.live(`a batch that ${name}`, () =>
        Effect.gen(function*() {
          const items = yield* Stream.runCollect(Batch.offline(echo, texts(5), { poll }))
          assert.deepStrictEqual(summary(items), texts(5).map((text) => ({ text })))
          assert.strictEqual((yield* list).length, batches)
        }).pipe(
          Effect.provide(provide({ batches: { trap: ({ index }) => index === 0 ? trap : undefined } }))
        ), 60_000)
    }

    it.live("rows that are expired, lost, doubled, torn or without a status", () =>
      Effect.gen(function*() {
        const rows = ["expired", "lost", "twice", "not JSON", "status 0"]
        const items = yield* Stream.runCollect(Batch.offline(echo, rows, { poll }))
        assert.deepStrictEqual(summary(items), rows.map((text) => ({ text })))
      }).pipe(Effect.provide(provide({
        batches: {
          row: (() => {
            const seen = new Set<string>()
            return ({ text }) => {
              if (seen.has(text)) return undefined
              seen.add(text)
              return text as OpenAiSimulator.RowTrap
            }
          })()
        }
      }))))

    it.live("a response that is lost does not double a batch", () =>
      Effect.gen(function*() {
        const items = yield* Stream.runCollect(Batch.offline(echo, texts(3), { poll }))
        assert.strictEqual(items.length, 3)
        assert.strictEqual((yield* list).length, 1)
      }).pipe(Effect.provide(provide({
        batches: {
          fault: (operation, call) => operation === "create" && call === 0 ? "lose response" : undefined
        }
      }))), 60_000)

    it.live("stays within the enqueued tokens", () =>
      Effect.gen(function*() {
        const items = yield* Stream.runCollect(
          Batch.offline(echo, texts(4), { poll, enqueuedTokens: 200, maxRequests: 1 })
        )
        assert.deepStrictEqual(summary(items), texts(4).map((text) => ({ text })))
        assert.isTrue((yield* list).every(({ status }) => status === "completed"))
      }).pipe(Effect.provide(provide({ batches: { enqueuedTokens: 400 } }))))

    it.live("stops at a wrong key, without telling it", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(Batch.offline(echo, texts(3), { poll })))
        assert.strictEqual(error.reason._tag, "Unrecoverable")
        assert.notInclude(JSON.stringify(error), "right")
      }).pipe(Effect.provide(provide({ apiKey: "another" }))))

    it.live("goes on with the batch of another process, with its journal", () =>
      Effect.gen(function*() {
        const journal = yield* Layer.build(Journal.layerMemory)
        const run = Batch.offline(echo, texts(3), { poll }).pipe(Stream.runCollect, Effect.provideContext(journal))
        yield* Effect.timeoutOption(run, "300 millis")
        const items = yield* run
        assert.deepStrictEqual(summary(items), texts(3).map((text) => ({ text })))
        assert.strictEqual((yield* list).length, 1)
      }).pipe(Effect.provide(provide({ batches: { duration: "1 second" } }))), 60_000)

    it.live("cancels, and collects what was answered", () =>
      Effect.gen(function*() {
        const [reference] = yield* OfflineBatch.submit(echo, texts(4))
        yield* OfflineBatch.cancel(reference!)
        const items = yield* Stream.runCollect(OfflineBatch.collect(echo, reference!, { poll }))
        assert.strictEqual(items.length, 4)
        assert.strictEqual((yield* OfflineBatch.status(reference!)).status, "cancelled")
      }).pipe(Effect.provide(provide({ batches: { duration: "1 hour" } }))))
  })
}
