/**
 * The service that sends many requests as one batch, which a provider answers within hours and at a lower price. Providers
 * implement it, and `Batch.offline` uses it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Dialect } from "../schema/Dialect.ts"
import { type DialectInput, toDialect } from "../schema/dialects/builtIn.ts"
import { Completion } from "./Completion.ts"
import { LlmError } from "./LlmError.ts"
import type { LlmRequest, OutputFormat } from "./LlmRequest.ts"
import * as Pricing from "./Pricing.ts"

/**
 * What a provider accepts in one batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** The most requests of one batch. */
  readonly maxRequests: number
  /** The most bytes of all lines of one batch. */
  readonly maxBytes: number
  /** The prompt tokens that may be enqueued at one time, if it is known. */
  readonly enqueuedTokens?: number | undefined
}

/**
 * The schema of `Reference`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reference = Schema.Struct({
  provider: Schema.String,
  /** The server: its base URL, without credentials. */
  origin: Schema.String,
  /** The id that the provider gave the batch. */
  id: Schema.String,
  /** The name that the batch was submitted with. Empty for a batch that another program submitted. */
  name: Schema.String,
  model: Schema.String,
  requests: Schema.Natural
})

/**
 * A submitted batch, as plain data: store it, and go on with the batch in another process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reference extends Schema.Schema.Type<typeof Reference> {}

/**
 * The schema of `BatchStatus`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const BatchStatus = Schema.Struct({
  reference: Reference,
  /** `completed`, `failed`, `expired` and `cancelled` are final. All of them but `failed` may have results. */
  status: Schema.Literals([
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled"
  ]),
  /** Requests by their state. Some providers count them only at the end. */
  counts: Schema.Struct({ total: Schema.Natural, completed: Schema.Natural, failed: Schema.Natural }),
  /** In milliseconds since the epoch, if the provider reports it. */
  createdAt: Schema.NullOr(Schema.Finite),
  expiresAt: Schema.NullOr(Schema.Finite),
  endedAt: Schema.NullOr(Schema.Finite),
  /** Why the batch failed. */
  error: Schema.NullOr(LlmError)
})

/**
 * The status of a batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchStatus extends Schema.Schema.Type<typeof BatchStatus> {}

/**
 * Whether a status is final. Use it to stop polling.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEnded = ({ status }: BatchStatus): boolean =>
  status === "completed" || status === "failed" || status === "expired" || status === "cancelled"

/**
 * The schema of `BatchResult`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const BatchResult = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Completed"), id: Schema.String, completion: Completion }),
  Schema.Struct({ _tag: Schema.Literal("Failed"), id: Schema.String, error: LlmError }),
  Schema.Struct({ _tag: Schema.Literal("Expired"), id: Schema.String }),
  Schema.Struct({ _tag: Schema.Literal("Cancelled"), id: Schema.String })
])

/**
 * The result of one request of a batch, by the id of its line: a completion, an error, or that the batch expired or was
 * cancelled before.
 *
 * @category models
 * @since 0.1.0
 */
export type BatchResult = typeof BatchResult.Type

/**
 * A batch to submit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Submission<out E> {
  /** A name by which `find` finds the batch again: up to 24 letters, digits, `_` and `-`. */
  readonly name: string
  readonly model: string
  /** The number of lines. */
  readonly requests: number
  /** The bytes of all lines. */
  readonly bytes: number
  /** The lines that `encode` made, each ended by a line feed. The stream may run more than once. */
  readonly lines: Stream.Stream<Uint8Array, E>
}

/**
 * A batch to find.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sought {
  /** The name that it was submitted with. */
  readonly name: string
  readonly model: string
  /** The number of its lines. */
  readonly requests: number
  /** When it was submitted, in milliseconds since the epoch. */
  readonly since: number
  /** The ids of batches that are known to be others. */
  readonly others: ReadonlySet<string>
}

/**
 * The batch interface of a provider. All lines of a batch have the same model.
 *
 * @category services
 * @since 0.1.0
 */
export class LlmBatch extends Context.Service<LlmBatch, {
  /** The name of the provider, as in telemetry. */
  readonly provider: string
  /** The server that answers: its base URL, without credentials. */
  readonly origin: string
  /** The model to ask if an extraction does not name one. */
  readonly model: string
  /** The dialect of JSON Schema that the provider accepts. */
  readonly dialect: Dialect
  readonly pricing: Pricing.Pricing
  readonly limits: Limits
  /** Writes a request as a line. The id is up to 64 letters, digits, `_` and `-`, and unique in its batch. */
  readonly encode: (id: string, request: LlmRequest) => Result.Result<string, LlmError>
  /** Submits a batch. If it fails, the batch may exist all the same: look with `find` before you submit it again. */
  readonly submit: <E>(submission: Submission<E>) => Effect.Effect<Reference, LlmError | E>
  /**
   * Finds a batch again that may have been submitted. Where a provider keeps no names, this may wait until a batch that
   * could be the one has ended, because only its results tell.
   */
  readonly find: (sought: Sought) => Effect.Effect<Option.Option<Reference>, LlmError>
  readonly poll: (reference: Reference) => Effect.Effect<BatchStatus, LlmError>
  /** Asks the provider to cancel a batch. Requests that are answered by then keep their results. */
  readonly cancel: (reference: Reference) => Effect.Effect<void, LlmError>
  /**
   * The results of a batch that has ended, in any order. A request may be missing, or have several results. Lines that
   * cannot be read are left out. `output` is the format that the requests asked for: some answers cannot be read without
   * it.
   */
  readonly results: (reference: Reference, output?: OutputFormat) => Stream.Stream<BatchResult, LlmError>
  /** The batches of the account, the newest first. */
  readonly list: Stream.Stream<BatchStatus, LlmError>
}>()("effect-instructor/llm/LlmBatch") {}

/**
 * The options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends
  Pick<
    LlmBatch["Service"],
    "cancel" | "encode" | "find" | "limits" | "list" | "model" | "poll" | "provider" | "results" | "submit"
  >
{
  /**
   * The server that answers: usually its base URL, without credentials.
   *
   * @default ""
   */
  readonly origin?: string | undefined
  /**
   * The dialect of JSON Schema that the provider accepts.
   *
   * @default "plain"
   */
  readonly dialect?: DialectInput | undefined
  /**
   * The prices of the provider.
   *
   * @default Pricing.empty
   */
  readonly pricing?: Pricing.Pricing | undefined
}

/**
 * Makes an `LlmBatch`. Use it to connect a provider that has no layer yet. Adds the cost at the batch price to every
 * completion.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): LlmBatch["Service"] => {
  const pricing = options.pricing ?? Pricing.empty
  return LlmBatch.of({
    ...options,
    origin: options.origin ?? "",
    dialect: toDialect(options.dialect ?? "plain"),
    pricing,
    results: (reference, output) =>
      Stream.unwrap(Effect.map(Pricing.CurrentPricing, (current) => {
        const tables = [current, pricing]
        return Stream.map(options.results(reference, output), (result) =>
          result._tag === "Completed"
            ? { ...result, completion: priced(tables, reference.model, result.completion) }
            : result)
      }))
  })
}

/** All tokens of a batch are billed at its price, whatever tier the provider reports. */
const priced = (tables: ReadonlyArray<Pricing.Pricing>, model: string, completion: Completion): Completion => {
  const { serviceTier, ...rest } = completion
  const usage = {
    ...completion.usage,
    batchInputTokens: completion.usage.inputTokens,
    batchOutputTokens: completion.usage.outputTokens
  }
  const request: LlmRequest = { model, messages: [], output: { mode: "text" }, parameters: {} }
  const { usage: cost } = Pricing.price(tables, request, { ...rest, usage })
  return { ...rest, ...(Predicate.isNotUndefined(serviceTier) && { serviceTier }), usage: cost }
}
