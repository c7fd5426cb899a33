/** Files and Batches of OpenAI, and of servers with the same endpoints, such as Groq. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { LlmError, type Reason } from "../../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../../llm/LlmRequest.ts"
import type { Json, Rest } from "../../../internal/rest.ts"
import { fromRow } from "../../../internal/restError.ts"
import { type DecodeRow, toResult } from "./rows.ts"

export interface Options {
  readonly provider: string
  readonly origin: string
  /** The path of a request. */
  readonly endpoint: string
  readonly rest: Rest
  /** The JSON text of the body of a request. */
  readonly encode: (request: LlmRequest) => Result.Result<string, Reason>
  readonly decode: DecodeRow
}

export const limits: LlmBatch.Limits = { maxRequests: 50_000, maxBytes: 200_000_000 }

type Service = LlmBatch.LlmBatch["Service"]
type Methods = Pick<Service, "cancel" | "encode" | "find" | "list" | "poll" | "results" | "submit">

export const make = (options: Options): Methods => {
  const { endpoint, provider, rest } = options
  return {
    encode: (id, request) =>
      Result.mapBoth(options.encode(request), {
        onFailure: (reason) => new LlmError({ provider, reason }),
        onSuccess: (body) => `{"custom_id":"${id}","method":"POST","url":"${endpoint}","body":${body}}`
      }),
    submit: (submission) =>
      Effect.flatMap(
        uploadFile(rest, submission),
        (fileId) =>
          Effect.flatMap(createBatch(rest, endpoint, fileId, submission), (batch) =>
            Effect.map(Effect.fromResult(idOf(rest, batch)), (id) =>
              toReference(options, id, batch, submission)))
      ),
    find: (sought) => find(options, sought),
    poll: (reference) =>
      Effect.map(rest.call("GET", `/batches/${reference.id}`), (batch) => toStatus(options, batch, reference)),
    cancel: (reference) => Effect.asVoid(rest.call("POST", `/batches/${reference.id}/cancel`)),
    results: (reference) => results(options, reference),
    list: Stream.map(pages(rest, "/batches?limit=100"), (batch) => toStatus(options, batch))
  }
}

const idOf = (rest: Rest, { id }: Json): Result.Result<string, LlmError> =>
  Predicate.isString(id) && id !== ""
    ? Result.succeed(id)
    : Result.fail(fromRow("the response has no id", undefined, { provider: "openai", scrub: rest.scrub }))

const encoder = new TextEncoder()

const uploadFile = <E>(
  rest: Rest,
  { bytes, lines, name }: LlmBatch.Submission<E>
): Effect.Effect<string, LlmError | E> => {
  const boundary = `effect-instructor-${name}`
  const before = encoder.encode(
    `--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n` +
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}.jsonl"\r\n` +
      "content-type: application/jsonl\r\n\r\n"
  )
  const after = encoder.encode(`\r\n--${boundary}--\r\n`)
  const upload = {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: before.length + bytes + after.length,
    body: Stream.concat(Stream.concat(Stream.succeed(before), lines), Stream.succeed(after))
  }
  return Effect.flatMap(rest.upload("/files", upload), (file) => Effect.fromResult(idOf(rest, file)))
}

/** A file may be unknown for a moment after its upload. */
const createBatch = <E>(
  rest: Rest,
  endpoint: string,
  fileId: string,
  { model, name, requests }: LlmBatch.Submission<E>
): Effect.Effect<Json, LlmError> =>
  Effect.retry(
    rest.call("POST", "/batches", {
      input_file_id: fileId,
      endpoint,
      completion_window: "24h",
      metadata: { [nameKey]: name, [modelKey]: model.slice(0, 512), [requestsKey]: String(requests) }
    }),
    { schedule: Schedule.spaced("1 second"), times: 5, while: (error) => error.reason._tag === "NotFoundError" }
  )

const nameKey = "effect_instructor"
const modelKey = "effect_instructor_model"
const requestsKey = "effect_instructor_requests"

const metadataOf = ({ metadata }: Json, key: string): string | undefined => {
  const value = Predicate.isObject(metadata) ? metadata[key] : undefined
  return Predicate.isString(value) ? value : undefined
}

const toReference = (
  { origin, provider }: Options,
  id: string,
  batch: Json,
  known?: { readonly name: string; readonly model: string; readonly requests: number }
): LlmBatch.Reference => ({
  provider,
  origin,
  id,
  name: known?.name ?? metadataOf(batch, nameKey) ?? "",
  model: known?.model ?? metadataOf(batch, modelKey) ?? (Predicate.isString(batch["model"]) ? batch["model"] : ""),
  requests: known?.requests ?? natural(metadataOf(batch, requestsKey) ?? countOf(batch, "total"))
})

const natural = (value: unknown): number => {
  const number = Number(value ?? 0)
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}

const countOf = ({ request_counts: counts }: Json, name: string): number =>
  natural(Predicate.isObject(counts) ? counts[name] : 0)

const statuses = new Set<unknown>(LlmBatch.BatchStatus.fields.status.literals)

const toStatus = (options: Options, batch: Json, reference?: LlmBatch.Reference): LlmBatch.BatchStatus => {
  const status = batch["status"]
  return {
    // A reference may have been made of an id alone.
    reference: reference !== undefined && reference.name !== ""
      ? reference
      : toReference(options, Predicate.isString(batch["id"]) ? batch["id"] : "", batch),
    // A status that is not known is not final.
    status: statuses.has(status) ? status as LlmBatch.BatchStatus["status"] : "in_progress",
    counts: {
      total: countOf(batch, "total"),
      completed: countOf(batch, "completed"),
      failed: countOf(batch, "failed")
    },
    createdAt: millis(batch["created_at"]),
    expiresAt: millis(batch["expires_at"]),
    endedAt: millis(batch["completed_at"]) ?? millis(batch["failed_at"]) ?? millis(batch["expired_at"]) ??
      millis(batch["cancelled_at"]),
    error: status === "failed" ? errorOf(options, batch) : null
  }
}

const millis = (seconds: unknown): number | null =>
  Predicate.isNumber(seconds) && Number.isFinite(seconds) ? seconds * 1000 : null

/** Why a batch failed: the first of its errors, with the line that it is about. */
const errorOf = ({ provider, rest: { scrub } }: Options, { errors }: Json): LlmError | null => {
  const data = Predicate.isObject(errors) ? errors["data"] : undefined
  const first: unknown = Array.isArray(data) ? data[0] : undefined
  if (!Predicate.isObject(first)) return null
  const { line, message } = first
  return fromRow(
    Predicate.isNumber(line) ? { ...first, message: `${String(message)} (line ${line} of the batch)` } : first,
    undefined,
    { provider, scrub }
  )
}

/** How much the clocks of the provider and of this machine may differ, in milliseconds. */
const slack = 3_600_000

const find = Effect.fnUntraced(function*(
  options: Options,
  { name, since }: LlmBatch.Sought
): Effect.fn.Return<Option.Option<LlmBatch.Reference>, LlmError> {
  const { rest } = options
  const found = yield* pages(rest, "/batches?limit=100").pipe(
    Stream.takeWhile((batch) => (millis(batch["created_at"]) ?? Infinity) >= since - slack),
    Stream.filter((batch) => metadataOf(batch, nameKey) === name),
    Stream.runHead
  )
  if (Option.isSome(found)) return Option.some(toStatus(options, found.value).reference)
  // A file that was uploaded for it is of no use without a batch.
  yield* pages(rest, "/files?purpose=batch&limit=100").pipe(
    Stream.takeWhile((file) => (millis(file["created_at"]) ?? Infinity) >= since - slack),
    Stream.filter((file) => file["filename"] === `${name}.jsonl` && Predicate.isString(file["id"])),
    Stream.runForEach((file) => rest.call("DELETE", `/files/${String(file["id"])}`)),
    Effect.ignore
  )
  return Option.none()
})

/** The objects of a list, page by page, the newest first. */
const pages = (rest: Rest, path: string): Stream.Stream<Json, LlmError> =>
  Stream.paginate(
    undefined as string | undefined,
    (after) =>
      Effect.map(rest.call("GET", after === undefined ? path : `${path}&after=${after}`), (page) => {
        const data = (Array.isArray(page["data"]) ? page["data"] : []).filter(Predicate.isObject) as Array<Json>
        const last = data.at(-1)?.["id"]
        const hasMore = page["has_more"] === true && Predicate.isString(last)
        return [data, hasMore ? Option.some<string | undefined>(last) : Option.none()] as const
      })
  )

/** Successes are in one file and failures in another. Either may be missing. */
const results = (options: Options, reference: LlmBatch.Reference): Stream.Stream<LlmBatch.BatchResult, LlmError> => {
  const { rest } = options
  return Stream.unwrap(Effect.map(rest.call("GET", `/batches/${reference.id}`), (batch) => {
    const files = [batch["output_file_id"], batch["error_file_id"]].filter((id) => Predicate.isString(id) && id !== "")
    return Stream.fromIterable(new Set(files)).pipe(
      Stream.flatMap((id) => rest.lines(`/files/${String(id)}/content`)),
      Stream.map((line) => toResult(line, reference.model, options.decode, { ...options, scrub: rest.scrub })),
      Stream.filter(Predicate.isNotUndefined)
    )
  }))
}
