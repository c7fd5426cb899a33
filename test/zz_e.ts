import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
for (const n of [1000, 10000, 100000]) {
  const values = Array.from({ length: n }, (_, i) => `value number ${i}`)
  const a = process.cpuUsage()
  const make = Extraction.make({ schema: Schema.Struct({ x: Schema.Literals(values) }), maxAttempts: 1 })
  const b = process.cpuUsage(a)
  const r = await Effect.runPromise(
    Effect.result(Extraction.extract(make, "x")).pipe(
      Effect.provide(MockLlm.layer([Reply.text(`{"x":"value number 7"}`)]))
    )
  )
  const c = process.cpuUsage(a)
  const r2 = await Effect.runPromise(
    Effect.result(Extraction.extract(make, "x")).pipe(Effect.provide(MockLlm.layer([Reply.text(`{"x":"nope"}`)])))
  )
  const d = process.cpuUsage(a)
  console.log(
    n,
    "make ms",
    (b.user + b.system) / 1000,
    "extract",
    (c.user + c.system) / 1000,
    "again",
    (d.user + d.system) / 1000,
    Result.isSuccess(r),
    Result.isFailure(r) ? r.failure.message.slice(0, 300) : "",
    Result.isFailure(r2) ? r2.failure.message.slice(0, 200) : ""
  )
}
