import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Metric, Option, Schema, Tracer } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int }).annotate({ identifier: "Person" })
const ada = Reply.withUsage({ name: "Ada", age: 36 }, { inputTokens: 10, outputTokens: 2 })
const wrong = Reply.withUsage({ name: "Ada" }, { inputTokens: 10, outputTokens: 1 })

/** A tracer that keeps its spans. */
const recording = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.succeed(Tracer.Tracer, tracer) }
}

const attributes = (span: Tracer.NativeSpan | undefined) => Object.fromEntries(span?.attributes ?? [])

describe("telemetry", () => {
  it.effect("makes a span for each extraction and for each of its attempts", () =>
    Effect.gen(function*() {
      const { layer, spans } = recording()
      const extraction = Extraction.make({
        schema: Person,
        model: "large",
        parameters: { temperature: 0.5, maxTokens: 100, seed: 7 }
      })
      yield* Extraction.extract(extraction, "who").pipe(
        Effect.provide(MockLlm.layer([wrong, ada])),
        Effect.provide(layer),
        Effect.withSpan("outer"),
        Effect.provide(layer)
      )
      const [outer, extract, first, second] = spans
      assert.deepStrictEqual(spans.map(({ name }) => name), ["outer", "extract Person", "chat large", "chat large"])
      assert.strictEqual(Option.getOrUndefined(extract!.parent), outer)
      assert.strictEqual(Option.getOrUndefined(first!.parent), extract)
      assert.deepStrictEqual(attributes(extract), {
        "effect_instructor.extraction": "Person",
        "effect_instructor.attempts": 2,
        "effect_instructor.outcome": "Success",
        "gen_ai.output.type": "json",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.cached_input_tokens": 0,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.reasoning_tokens": 0,
        "gen_ai.usage.unreported": 0
      })
      assert.strictEqual(second!.kind, "client")
      const recorded = attributes(second)
      assert.strictEqual(recorded["gen_ai.provider.name"], "mock")
      assert.strictEqual(recorded["gen_ai.operation.name"], "chat")
      assert.strictEqual(recorded["gen_ai.request.model"], "large")
      assert.strictEqual(recorded["gen_ai.request.temperature"], 0.5)
      assert.strictEqual(recorded["gen_ai.request.max_tokens"], 100)
      assert.strictEqual(recorded["gen_ai.request.seed"], 7)
      assert.strictEqual(recorded["gen_ai.response.id"], "mock-1")
      assert.deepStrictEqual(recorded["gen_ai.response.finish_reasons"], ["stop"])
      assert.strictEqual(recorded["gen_ai.usage.output_tokens"], 2)
      assert.strictEqual(recorded["effect_instructor.attempt"], 2)
      assert.strictEqual(recorded["effect_instructor.mode"], "json_schema")
    }))

  it.effect("records messages and answers only with RecordContent", () =>
    Effect.gen(function*() {
      const withoutContent = recording()
      const extract = Extraction.extract(Person, "my secret").pipe(Effect.provide(MockLlm.layer([ada])))
      yield* extract.pipe(Effect.provide(withoutContent.layer))
      assert.notInclude(JSON.stringify(withoutContent.spans.map(attributes)), "secret")
      assert.notInclude(JSON.stringify(withoutContent.spans.map(attributes)), "Ada")
      const recordingContent = recording()
      yield* extract.pipe(Effect.provideService(Extraction.RecordContent, true), Effect.provide(recordingContent.layer))
      const recorded = attributes(recordingContent.spans[1])
      assert.include(recorded["gen_ai.input.messages"] as string, "my secret")
      assert.include(recorded["gen_ai.output.messages"] as string, "Ada")
    }))

  it.effect("records the reason of a failure as the outcome", () =>
    Effect.gen(function*() {
      const { layer, spans } = recording()
      yield* Effect.flip(Extraction.extract(Person, "who")).pipe(
        Effect.provide(MockLlm.layer([Reply.refusal("No.")])),
        Effect.provide(layer)
      )
      assert.strictEqual(attributes(spans[0])["effect_instructor.outcome"], "Refused")
      assert.strictEqual(spans[0]!.status._tag === "Ended" ? spans[0]!.status.exit._tag : "", "Failure")
    }))

  it.effect("makes no span without a tracer", () =>
    Effect.gen(function*() {
      let parent: Option.Option<Tracer.AnySpan> = Option.none()
      yield* Extraction.extract(Person, "who").pipe(
        Effect.provide(MockLlm.layer(() =>
          Effect.map(Effect.option(Effect.currentParentSpan), (span) => {
            parent = span
            return ada
          })
        ))
      )
      assert.deepStrictEqual(parent, Option.none())
    }))

  it.effect("counts extractions by outcome, with attempts, tokens and duration", () =>
    Effect.gen(function*() {
      const registry = Context.make(Metric.MetricRegistry, new Map())
      const read = Effect.gen(function*() {
        const count = (metric: Metric.Counter<number>) => Effect.map(Metric.value(metric), (state) => state.count)
        return {
          success: yield* count(
            Metric.withAttributes(Extraction.metrics.extractions, { outcome: "Success" }) as Metric.Counter<number>
          ),
          refused: yield* count(
            Metric.withAttributes(Extraction.metrics.extractions, { outcome: "Refused" }) as Metric.Counter<number>
          ),
          attempts: yield* count(Extraction.metrics.attempts),
          inputTokens: yield* count(Extraction.metrics.inputTokens),
          outputTokens: yield* count(Extraction.metrics.outputTokens),
          durations: (yield* Metric.value(Extraction.metrics.duration)).count
        }
      })
      const seen = yield* Effect.gen(function*() {
        yield* Extraction.extract(Person, "a")
        yield* Effect.flip(Extraction.extract(Person, "b"))
        return yield* read
      }).pipe(
        Effect.provide(
          MockLlm.layer([wrong, ada, Reply.withUsage(Reply.refusal("No."), { inputTokens: 5, outputTokens: 1 })])
        ),
        Effect.provide(registry)
      )
      assert.deepStrictEqual(seen, {
        success: 1,
        refused: 1,
        attempts: 3,
        inputTokens: 25,
        outputTokens: 4,
        durations: 2
      })
    }))
})
