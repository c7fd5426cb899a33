/**
 * A seeded search for starvation and deadlock. Some requests never succeed, the server fails, refuses, hangs and reports
 * invented limits for five minutes, and the wall clock jumps. The virtual clock fails when nothing is due any more.
 */
import { Clock, Duration, Effect, Fiber, Layer, Random, Schedule, Stream } from "effect"
import { type Completion, Llm, LlmError, LlmGovernor, type LlmRequest, Usage } from "effect-instructor"
import { AiError } from "effect/ai"
import { makeRandom } from "../../bench/governor/virtualServer.ts"
import * as VirtualTime from "../../bench/governor/virtualTime.ts"
import { CurrentFlow } from "../../internal/requestContext.ts"

type Mood = "healthy" | "refuses" | "fails" | "overloaded" | "hangs" | "mixed" | "invents"

type Poison = "none" | "fails" | "refused" | "hangs"

const minute = 60_000
const chaosMillis = 5 * minute
const maxServerDelayMillis = 2 * minute

export interface Outcome {
  /** What went wrong. */
  readonly violations: ReadonlyArray<string>
  readonly sent: number
  readonly succeeded: number
  readonly failed: number
}

const completion: Completion.Completion = {
  id: "1",
  model: "m",
  text: "{}",
  toolCalls: [],
  finishReason: "stop",
  usage: { ...Usage.zero, inputTokens: 30, outputTokens: 10 }
}

const fail = (
  reason: LlmError.Reason,
  fields: Partial<Pick<LlmError.LlmError, "serverDelay" | "rateLimits" | "limit">> = {}
) => Effect.fail(new LlmError.LlmError({ provider: "search", reason, ...fields }))

const broken = new AiError.InternalProviderError({ description: "broken" })
const overloaded = new LlmError.OverloadedError({ description: "busy" })

export const search = (seed: number): Outcome => {
  const random = makeRandom(seed)
  const pick = <A>(values: ReadonlyArray<A>): A => values[Math.floor(random() * values.length)]!
  const violations: Array<string> = []
  const counts = { sent: 0, succeeded: 0, failed: 0 }
  let inFlight = 0
  let wallOffset = 0

  const options: LlmGovernor.Options = {
    concurrency: pick([1, 2, 8, "adaptive"]),
    requestsPerMinute: pick([undefined, undefined, 30, 600, 6000]),
    tokensPerMinute: pick([undefined, undefined, 200_000, 1_000_000]),
    failureThreshold: pick([5, 10]),
    maxServerDelay: Duration.millis(maxServerDelayMillis),
    retry: pick([undefined, Schedule.recurs(0), Schedule.spaced("3 seconds").pipe(Schedule.upTo({ times: 20 }))])
  }

  const windows = (): ReadonlyArray<Completion.RateLimitWindow> =>
    Array.from({ length: Math.floor(random() * 3) }, () => ({
      unit: pick(["requests", "tokens", "inputTokens", "outputTokens"]),
      period: pick(["second", "minute", "minute", "hour", "day"]),
      limit: pick([-1, 0, 1, 60, 5000, 1e308, NaN]),
      remaining: pick([-5, 0, 0, 1, 50, 1e308, NaN]),
      resetAfter: Duration.millis(pick([0, 0, 1000, 60_000, 100_000, NaN, 1e308]))
    }))

  const refusal = () => {
    const serverDelay = pick([undefined, -1, 0, 30, 1000, 20_000, NaN])
    return {
      delay: serverDelay ?? 0,
      error: new LlmError.LlmError({
        provider: "search",
        reason: new AiError.RateLimitError({}),
        ...(serverDelay !== undefined && { serverDelay: Duration.millis(serverDelay) }),
        ...(random() < 0.3 && { limit: pick(["requests", "tokens", "growth"] as const) }),
        ...(random() < 0.5 && { rateLimits: windows() })
      })
    }
  }

  const pausedUntil = new Map<string, number>()
  let mood: Mood = "healthy"

  const refuse = (model: string, now: () => number) =>
    Effect.suspend(() => {
      const { delay, error } = refusal()
      if (delay > 0) pausedUntil.set(model, Math.max(pausedUntil.get(model) ?? 0, now() + delay))
      return Effect.fail(error)
    })

  const answer = (model: string, poison: Poison, now: () => number): Effect.Effect<
    Completion.Completion,
    LlmError.LlmError
  > => {
    switch (poison) {
      case "fails":
        return fail(broken)
      case "refused":
        return refuse(model, now)
      case "hangs":
        return Effect.never
    }
    const current = mood === "mixed" ? pick<Mood>(["healthy", "healthy", "refuses", "fails", "overloaded"]) : mood
    switch (current) {
      case "refuses":
        return refuse(model, now)
      case "fails":
        return random() < 0.8 ? fail(broken) : Effect.succeed(completion)
      case "overloaded":
        return fail(overloaded, random() < 0.3 ? { serverDelay: Duration.seconds(5) } : {})
      case "hangs":
        return random() < 0.5 ? Effect.as(Effect.sleep("40 seconds"), completion) : Effect.succeed(completion)
      case "invents":
        return Effect.succeed({ ...completion, rateLimits: windows() })
      default:
        return Effect.succeed(completion)
    }
  }

  const program = Effect.gen(function*() {
    const base = yield* Clock.Clock
    const clock: Clock.Clock = {
      ...base,
      currentTimeMillisUnsafe: () => base.currentTimeMillisUnsafe() + wallOffset,
      currentTimeMillis: Effect.sync(() => base.currentTimeMillisUnsafe() + wallOffset),
      currentTimeNanosUnsafe: () => base.currentTimeNanosUnsafe() + BigInt(wallOffset) * 1_000_000n,
      currentTimeNanos: Effect.sync(() => base.currentTimeNanosUnsafe() + BigInt(wallOffset) * 1_000_000n)
    }
    const now = () => base.currentTimeMillisUnsafe()
    const start = now()

    const provider = Llm.make({
      provider: "search",
      model: "m",
      complete: ({ messages, model }) =>
        Effect.suspend(() => {
          counts.sent++
          inFlight++
          if (typeof options.concurrency === "number" && inFlight > options.concurrency) violations.push("too many")
          if (now() < (pausedUntil.get(model) ?? 0)) violations.push(`sent to ${model} in a pause, at ${now() - start}`)
          return Effect.andThen(
            Effect.sleep(Duration.millis(Math.floor(5 + 500 * random()))),
            Effect.suspend(() => answer(model, messages[0]!.content as Poison, now))
          )
        }).pipe(Effect.ensuring(Effect.sync(() => inFlight--)))
    })

    const request = (poison: Poison): LlmRequest.LlmRequest => ({
      model: pick(["a", "a", "b"]),
      messages: [{ role: "user", content: poison }],
      output: { mode: "text" },
      parameters: { maxTokens: pick([10, 100, 3000]) }
    })

    const work = Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const ask = (request: LlmRequest.LlmRequest): Effect.Effect<unknown, LlmError.LlmError> =>
        random() < 0.3 ? Stream.runDrain(llm.stream(request)) : llm.complete(request)
      const caller = (poison: Poison) =>
        ask(request(poison)).pipe(
          Llm.withPriority(pick(["high", "normal", "low"])),
          Effect.provideService(CurrentFlow, pick(["x", "y", "z"]))
        )
      const settled = (effect: Effect.Effect<unknown, LlmError.LlmError>) =>
        Effect.match(effect, { onSuccess: () => counts.succeeded++, onFailure: () => counts.failed++ })

      const moods = yield* Effect.forkChild(Effect.gen(function*() {
        while (now() < start + chaosMillis) {
          mood = pick<Mood>(["healthy", "refuses", "fails", "overloaded", "hangs", "mixed", "mixed", "invents"])
          if (random() < 0.3) wallOffset += pick([-1, 1]) * pick([1000, 3_600_000, 86_400_000])
          yield* Effect.sleep(Duration.millis(1000 + 40_000 * random()))
        }
        mood = "healthy"
      }))
      const normal: Array<Fiber.Fiber<unknown>> = []
      const poisoned: Array<Fiber.Fiber<unknown>> = []
      for (let i = 0; i < 80; i++) {
        const poison: Poison = random() < 0.9 ? "none" : pick(["fails", "refused", "hangs"] as const)
        const fiber = yield* Effect.forkChild(settled(caller(poison)), { startImmediately: true })
        if (poison === "none") normal.push(fiber)
        else poisoned.push(fiber)
        if (random() < 0.1) {
          yield* Effect.forkChild(
            Effect.andThen(Effect.sleep(Duration.millis(60_000 * random())), Fiber.interrupt(fiber))
          )
        }
        yield* Effect.sleep(Duration.millis(2 * chaosMillis / 80 * random()))
      }
      // A request that hangs for good takes its place until its caller gives up, as a transport's timeout would.
      yield* Effect.forkChild(
        Effect.andThen(Effect.sleep("10 minutes"), Effect.forEach(poisoned, Fiber.interrupt))
      )
      yield* Fiber.join(moods)
      yield* Effect.sleep(Duration.millis(25 * minute))
      for (const fiber of normal) {
        if (fiber.pollUnsafe() === undefined) violations.push("a request is not settled 25 minutes after the chaos")
      }
      const late = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.timeoutOption(Effect.result(caller("none")), "12 minutes"),
        { concurrency: "unbounded" }
      )
      for (const result of late) {
        if (result._tag === "None") {
          violations.push("a new request is not answered")
        } else if (result.value._tag === "Failure") {
          violations.push(`a new request failed: ${result.value.failure.message}`)
        }
      }
      yield* Effect.forEach([...normal, ...poisoned], Fiber.interrupt)
      const { inFlight: counted, queued } = yield* LlmGovernor.snapshot
      if (counted !== 0 || queued !== 0) violations.push(`${counted} in flight and ${queued} queued at the end`)
    })
    yield* work.pipe(
      Effect.provide(Layer.provide(LlmGovernor.layer(options), Layer.succeed(Llm.Llm, provider))),
      Effect.provideService(Clock.Clock, clock)
    )
  })

  VirtualTime.run(Random.withSeed(program, seed))
  return { violations, ...counts }
}
