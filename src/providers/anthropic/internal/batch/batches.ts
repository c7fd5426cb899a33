/** Message Batches. A batch has no name and no metadata, so only its results tell who submitted it. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { isLlmError, LlmError, type Reason } from "../../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../../llm/LlmRequest.ts"
import type { Json, Rest } from "../../../internal/rest.ts"
import { ofSubmission } from "../../../internal/restError.ts"
import { invalid, type Server, toError } from "../../../internal/server.ts"
import { object, objects, parse, string, text, tokens } from "../../../internal/wireJson.ts"
import * as Requests from "./requests.ts"
import { toResult } from "./rows.ts"

export interface Options {
  readonly server: Server
  readonly rest: Rest
  /** The JSON text of the body of a request. */
  readonly encode: (request: LlmRequest) => Result.Result<string, Reason>
}

export const limits: LlmBatch.Limits = { maxRequests: 100_000, maxBytes: 256_000_000 }

export const path = "/v1/messages/batches"

type Service = LlmBatch.LlmBatch["Service"]
type Methods = Pick<Service, "cancel" | "encode" | "find" | "list" | "poll" | "results" | "submit">

export const make = (options: Options): Methods => {
  const { rest, server } = options
  return {
    encode: (id, request) =>
      Result.mapBoth(options.encode(request), {
        onFailure: (reason) => new LlmError({ provider: server.provider, reason }),
        onSuccess: (body) => `{"custom_id":"${id}","params":${body}}`
      }),
    submit: ({ bytes, lines, ...submission }) =>
      Effect.flatMap(
        Effect.mapError(
          rest.upload(path, {
            contentType: "application/json",
            bytes: Requests.bytesOf(bytes),
            body: Requests.toJson(lines, submission.requests)
          }),
          (error) => isLlmError(error) ? ofSubmission(error) : error
        ),
        (batch) => {
          const id = text(batch["id"])
          return id === undefined
            ? Effect.fail(toError(server, invalid("the batch has no id", server)))
            : Effect.succeed(toReference(options, id, submission))
        }
      ),
    find: (sought) => find(options, sought),
    poll: (reference) =>
      Effect.map(rest.call("GET", `${path}/${reference.id}`), (batch) => toStatus(options, batch, reference)),
    cancel: (reference) => Effect.asVoid(rest.call("POST", `${path}/${reference.id}/cancel`)),
    results: (reference, output) =>
      rest.lines(`${path}/${reference.id}/results`).pipe(
        Stream.map((line) => toResult(line, reference.model, output, server)),
        Stream.filter(Predicate.isNotUndefined)
      ),
    list: Stream.map(pages(rest), (batch) => toStatus(options, batch))
  }
}

type Known = Pick<LlmBatch.Reference, "model" | "name" | "requests">

const toReference = (
  { server: { origin, provider } }: Options,
  id: string,
  { model, name, requests }: Known
): LlmBatch.Reference => ({ provider, origin, id, name, model, requests })

interface Counts {
  readonly total: number
  readonly succeeded: number
  readonly errored: number
  readonly expired: number
  readonly canceled: number
}

const countsOf = (batch: Json): Counts => {
  const found = object(batch["request_counts"])
  const count = (name: string): number => tokens(found?.[name])
  const [succeeded, errored, expired, canceled] = [
    count("succeeded"),
    count("errored"),
    count("expired"),
    count("canceled")
  ]
  return {
    total: count("processing") + succeeded + errored + expired + canceled,
    succeeded,
    errored,
    expired,
    canceled
  }
}

const hasEnded = (batch: Json): boolean => batch["processing_status"] === "ended"

const toStatus = (options: Options, batch: Json, reference?: LlmBatch.Reference): LlmBatch.BatchStatus => {
  const counts = countsOf(batch)
  return {
    // A reference may have been made of an id alone.
    reference: reference !== undefined && reference.name !== ""
      ? reference
      : toReference(options, text(batch["id"]) ?? "", {
        name: "",
        model: reference?.model ?? "",
        requests: counts.total
      }),
    status: statusOf(batch, counts),
    counts: {
      total: counts.total,
      completed: counts.succeeded,
      failed: counts.errored + counts.expired + counts.canceled
    },
    createdAt: millis(batch["created_at"]),
    expiresAt: millis(batch["expires_at"]),
    endedAt: millis(batch["ended_at"]),
    error: null
  }
}

const statusOf = (batch: Json, { canceled, expired }: Counts): LlmBatch.BatchStatus["status"] => {
  if (!hasEnded(batch)) return batch["processing_status"] === "canceling" ? "cancelling" : "in_progress"
  return canceled > 0 ? "cancelled" : expired > 0 ? "expired" : "completed"
}

const millis = (time: unknown): number | null =>
  Option.getOrNull(Option.map(DateTime.make(string(time) ?? ""), DateTime.toEpochMillis))

/** How much the clocks of the provider and of this machine may differ, in milliseconds. */
const slack = 3_600_000

/** When to look again whether a batch has ended. */
const lookAgain = Schedule.min([Schedule.exponential("1 second", 1.5), Schedule.spaced("1 minute")])

/**
 * Every batch of that time with as many requests may be the one. The ids in its results tell, once it has ended; so this
 * waits until all that may be the one have ended, or one of them is the one.
 */
const find = (options: Options, sought: LlmBatch.Sought): Effect.Effect<Option.Option<LlmBatch.Reference>, LlmError> =>
  Effect.suspend(() => {
    const { rest, server } = options
    const rejected = new Set(sought.others)
    const look = Effect.gen(function*() {
      const open: Array<string> = []
      const candidates = yield* pages(rest).pipe(
        Stream.takeWhile((batch) => (millis(batch["created_at"]) ?? Infinity) >= sought.since - slack),
        Stream.filter((batch) =>
          countsOf(batch).total === sought.requests && text(batch["id"]) !== undefined &&
          !rejected.has(String(batch["id"]))
        ),
        Stream.runCollect
      )
      for (const batch of candidates) {
        const id = String(batch["id"])
        if (!hasEnded(batch)) open.push(id)
        else if (text(batch["results_url"]) !== undefined && (yield* isNamed(rest, id, sought.name))) {
          return Option.some(toReference(options, id, sought))
        } else rejected.add(id)
      }
      if (open.length === 0) return Option.none<LlmBatch.Reference>()
      yield* Effect.logInfo(
        `The batch ${sought.name} of ${server.provider} may have been submitted before. ` +
          `Waiting for ${open.join(", ")} to end, because only its results tell whether it is the one`
      )
      return open
    })
    return Effect.flatMap(
      Effect.repeat(look, { schedule: lookAgain, while: (found) => Array.isArray(found) }),
      (found) => Option.isOption(found) ? Effect.succeed(found) : Effect.succeedNone
    )
  })

/** Results may be missing for a moment after a batch has ended. */
const results = Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(5)])

const isNamed = (rest: Rest, id: string, name: string): Effect.Effect<boolean, LlmError> =>
  rest.lines(`${path}/${id}/results`).pipe(
    Stream.map((line) => string(object(Result.getOrUndefined(parse(line)))?.["custom_id"])),
    Stream.filter(Predicate.isNotUndefined),
    Stream.runHead,
    Effect.map((first) => Option.isSome(first) && first.value.startsWith(`${name}-`)),
    Effect.retry(results)
  )

/** The batches of the account, page by page, the newest first. */
const pages = (rest: Rest): Stream.Stream<Json, LlmError> =>
  Stream.paginate(
    undefined as string | undefined,
    (after) =>
      Effect.map(rest.call("GET", `${path}?limit=100${after === undefined ? "" : `&after_id=${after}`}`), (page) => {
        const last = text(page["last_id"])
        const hasMore = page["has_more"] === true && last !== undefined
        return [objects(page["data"]), hasMore ? Option.some<string | undefined>(last) : Option.none()] as const
      })
  )
