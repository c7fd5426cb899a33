/** The batches of `MockLlmBatch`. */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LlmBatch from "../../llm/LlmBatch.ts"
import * as LlmError from "../../llm/LlmError.ts"
import { LlmRequest } from "../../llm/LlmRequest.ts"
import * as TokenCount from "../../llm/TokenCount.ts"
import type { Fault, MockBatch, Operation, Options, Row, Script } from "../MockLlmBatch.ts"
import * as Reply from "../Reply.ts"
import { provider, toCompletion, toError, toHandler } from "./script.ts"

export const TypeId = "~effect-instructor/testing/MockLlmBatch/Row"

export const row = (kind: Row[typeof TypeId], reply: Reply.Input | undefined): Row => ({ [TypeId]: kind, reply })

const isRow = (u: unknown): u is Row => Predicate.hasProperty(u, TypeId)

interface Line {
  readonly id: string
  readonly request: LlmRequest
}

interface Kept {
  readonly reference: LlmBatch.Reference
  readonly lines: ReadonlyArray<Line>
  readonly tokens: number
  readonly createdAt: number
  readonly ending: Fault & { readonly _tag: "Ends" | "Vanishes" } | undefined
  endsAt: number
  status: LlmBatch.BatchStatus["status"]
  error: LlmError.LlmError | undefined
  answered: number
  results: ReadonlyArray<LlmBatch.BatchResult> | undefined
}

const LineJson = Schema.fromJsonString(Schema.Struct({ id: Schema.String, request: LlmRequest }))
const decodeLine = Schema.decodeSync(LineJson)

const defaultLimits: LlmBatch.Limits = { maxRequests: 50_000, maxBytes: 200 * 1024 * 1024 }

type MakeOptions = Omit<Options, "duration"> & { readonly duration: Duration.Duration }

export const make = (script: Script, options: MakeOptions) => {
  const answer = makeAnswer(script)
  const batches: Array<Kept> = []
  const calls: Array<Operation> = []
  const operate = makeOperate(calls, options)

  const known = (reference: LlmBatch.Reference): Effect.Effect<Kept, LlmError.LlmError> => {
    const found = batches.find(({ reference: { id } }) => id === reference.id)
    return found === undefined || found.ending?._tag === "Vanishes"
      ? Effect.fail(unknown(reference.id))
      : Effect.succeed(found)
  }

  const enqueued = (now: number): number =>
    batches.reduce((sum, batch) => {
      advance(batch, now)
      return isOver(batch) ? sum : sum + batch.tokens
    }, 0)

  const submit: LlmBatch.LlmBatch["Service"]["submit"] = ({ lines, ...submission }) =>
    operate("submit", (ending, now) =>
      Effect.map(Stream.mkString(Stream.decodeText(lines)), (text) => {
        const parsed = text.split("\n").filter((line) => line !== "").map((line) => decodeLine(line))
        const tokens = parsed.reduce((sum, { request }) => sum + TokenCount.prompt(request, TokenCount.guessText), 0)
        const isRefused = enqueued(now) + tokens > (options.refuseTokensOver ?? Infinity)
        const reference: LlmBatch.Reference = {
          provider,
          origin: "",
          id: `batch_${batches.length}`,
          name: submission.name,
          model: submission.model,
          requests: submission.requests
        }
        batches.push({
          reference,
          lines: parsed,
          tokens,
          createdAt: now,
          ending,
          endsAt: isRefused ? now : now + Duration.toMillis(options.duration),
          status: isRefused ? "failed" : "validating",
          error: isRefused ? tooManyTokens : undefined,
          answered: isRefused ? 0 : parsed.length,
          results: undefined
        })
        return reference
      }))

  const results = (batch: Kept): Effect.Effect<ReadonlyArray<LlmBatch.BatchResult>> =>
    batch.results === undefined
      ? Effect.map(Effect.forEach(batch.lines.slice(0, batch.answered), answer), (answered) => {
        const rest = batch.lines.slice(batch.answered).flatMap(({ id }): ReadonlyArray<LlmBatch.BatchResult> =>
          batch.status === "expired"
            ? [{ _tag: "Expired", id }]
            : batch.status === "cancelled"
            ? [{ _tag: "Cancelled", id }]
            : []
        )
        batch.results = [...answered.flat(), ...rest].toReversed()
        return batch.results
      })
      : Effect.succeed(batch.results)

  const service = LlmBatch.make({
    provider,
    model: options.model ?? "mock",
    dialect: options.dialect ?? "openai",
    pricing: options.pricing,
    limits: { ...defaultLimits, ...options.limits },
    encode: (id, request) => Result.succeed(JSON.stringify({ id, request })),
    submit,
    find: ({ name }) =>
      operate("find", () =>
        Effect.succeed(Option.fromUndefinedOr(
          batches.find(({ ending, reference }) => reference.name === name && ending?._tag !== "Vanishes")?.reference
        ))),
    poll: (reference) =>
      operate("poll", (_, now) =>
        Effect.map(known(reference), (batch) => {
          advance(batch, now)
          return toStatus(batch)
        })),
    cancel: (reference) =>
      operate("cancel", (_, now) =>
        Effect.map(known(reference), (batch) => {
          advance(batch, now)
          if (isOver(batch)) return
          const whole = Math.max(1, batch.endsAt - batch.createdAt)
          batch.answered = Math.floor(batch.lines.length * (now - batch.createdAt) / whole)
          batch.status = "cancelling"
          batch.endsAt = now
        })),
    results: (reference) =>
      Stream.fromIterableEffect(operate("results", () => Effect.flatMap(known(reference), results))),
    list: Stream.fromIterableEffect(
      operate("list", (_, now) =>
        Effect.sync(() =>
          batches.toReversed().map((batch) => {
            advance(batch, now)
            return toStatus(batch)
          })
        ))
    )
  })

  return {
    service,
    record: {
      batches: Effect.sync(() =>
        batches.map(({ lines, reference, status }): MockBatch => ({
          reference,
          status,
          requests: lines.map(({ request }) => request)
        }))
      ),
      calls: Effect.sync(() => calls.slice())
    }
  }
}

const makeAnswer = (script: Script): (line: Line) => Effect.Effect<ReadonlyArray<LlmBatch.BatchResult>> => {
  const handler = toHandler<Reply.Input | Row>(script)
  let requests = 0
  return ({ id, request }) => {
    const call = requests++
    const given = handler(request, call)
    const effect = Effect.isEffect(given) ? given : Effect.succeed(given)
    return Effect.match(effect, {
      onFailure: (error) => [{ _tag: "Failed", id, error: toError(error) }],
      onSuccess: (input): ReadonlyArray<LlmBatch.BatchResult> => {
        const completed = (reply: Reply.Input): LlmBatch.BatchResult => ({
          _tag: "Completed",
          id,
          completion: toCompletion(Reply.fromInput(reply), request, call)
        })
        if (!isRow(input)) return [completed(input)]
        switch (input[TypeId]) {
          case "Expired":
            return [{ _tag: "Expired", id }]
          case "Cancelled":
            return [{ _tag: "Cancelled", id }]
          case "Lost":
            return []
          case "Twice":
            return [completed(input.reply!), completed(input.reply!)]
        }
      }
    })
  }
}

/** Runs an operation with its fault. */
const makeOperate = (calls: Array<Operation>, { fault: faultOf }: MakeOptions) =>
<A, E>(
  operation: Operation,
  run: (ending: Kept["ending"], now: number) => Effect.Effect<A, E>
): Effect.Effect<A, E | LlmError.LlmError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const call = calls.filter((name) => name === operation).length
    calls.push(operation)
    const fault = faultOf?.(operation, call)
    switch (fault?._tag) {
      case undefined:
        return run(undefined, now)
      case "Fail":
        return Effect.fail(toError(fault.error))
      case "LoseResponse":
        return Effect.andThen(run(undefined, now), Effect.fail(toError(fault.error)))
      case "Hang":
        return Effect.never
      case "HangAfter":
        return Effect.andThen(run(undefined, now), Effect.never)
      default:
        return run(fault, now)
    }
  })

/** Moves a batch on to the present. */
const advance = (batch: Kept, now: number): void => {
  if (isOver(batch)) return
  if (now < batch.endsAt) {
    batch.status = batch.status === "cancelling" ? "cancelling" : "in_progress"
    return
  }
  if (batch.status === "cancelling") {
    batch.status = "cancelled"
    return
  }
  const ending = batch.ending?._tag === "Ends" ? batch.ending : undefined
  batch.status = ending?.status ?? "completed"
  batch.answered = ending?.answered ?? (ending?.status === "failed" ? 0 : batch.lines.length)
  batch.error = ending?.error ?? batch.error
}

const isOver = ({ status }: Kept): boolean =>
  status === "completed" || status === "failed" || status === "expired" || status === "cancelled"

const toStatus = (batch: Kept): LlmBatch.BatchStatus => ({
  reference: batch.reference,
  status: batch.status,
  counts: {
    total: batch.lines.length,
    completed: isOver(batch) ? batch.answered : 0,
    failed: 0
  },
  createdAt: batch.createdAt,
  expiresAt: batch.createdAt + 86_400_000,
  endedAt: isOver(batch) ? batch.endsAt : null,
  error: batch.error ?? null
})

const unknown = (id: string): LlmError.LlmError =>
  new LlmError.LlmError({ provider, reason: new LlmError.NotFoundError({ description: `No batch ${id}` }) })

const tooManyTokens = new LlmError.LlmError({
  provider,
  code: "token_limit_exceeded",
  limit: "tokens",
  reason: new AiError.RateLimitError({})
})
