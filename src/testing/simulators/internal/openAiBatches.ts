/** The Files and Batches endpoints of the simulator. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Multipart from "effect/http/Multipart"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Fault from "../../Fault.ts"
import type { BatchOperation, BatchOptions, Options } from "../OpenAiSimulator.ts"
import * as Store from "./batchStore.ts"
import * as Work from "./batchWork.ts"
import { refuseKey } from "./refusal.ts"
import * as Responses from "./responses.ts"

type Http = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse

/** Answers a request, if it is one to files or batches. */
export type Handler = (http: Http) => Effect.Effect<Response, unknown> | undefined

const platform = Layer.merge(NodeFileSystem.layer, NodePath.layer)

export const make = (options: Options): Effect.Effect<Handler, never, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = options.batches ?? {}
    const scope = yield* Effect.scope
    const store = yield* Store.open(settings.directory)
    const calls = new Map<BatchOperation, number>()
    const account: Account = { options: { ...options, batches: settings }, settings, store, scope }
    for (const batch of store.batches) if (!isOver(batch)) yield* begin(account, batch)

    const faulty = (operation: BatchOperation, http: Http, run: Effect.Effect<Response, unknown>) =>
      Effect.suspend(() => {
        const call = calls.get(operation) ?? 0
        calls.set(operation, call + 1)
        const fault = settings.fault?.(operation, call)
        if (fault === undefined) return run
        if (fault === "lose response") {
          return Effect.andThen(run, Effect.suspend(() => Responses.end(Fault.drop, http)))
        }
        return fault._tag === "Respond" ? Effect.succeed(Responses.respond(fault, {})) : Responses.end(fault, http)
      })

    return (http) => {
      const [path, query = ""] = http.url.split("?", 2) as [string, string?]
      if (!/^\/v1\/(files|batches)(\/|$)/.test(path)) return undefined
      const refused = refuseKey(http.headers["authorization"], options)
      if (refused !== undefined) return Effect.succeed(Responses.respond(refused, {}))
      const [, , kind, id, part] = path.split("/")
      const found = route(
        account,
        http,
        `${http.method} ${kind}${id === undefined ? "" : "/id"}${part === undefined ? "" : `/${part}`}`,
        id ?? "",
        query
      )
      return found === undefined
        ? Effect.succeed(notFound(`Unknown request URL: ${http.method} ${http.url}`))
        : faulty(found.operation, http, found.run)
    }
  })

interface Account {
  readonly options: Options & { readonly batches: BatchOptions }
  readonly settings: BatchOptions
  readonly store: Store.Store
  readonly scope: Scope.Scope
}

interface Routed {
  readonly operation: BatchOperation
  readonly run: Effect.Effect<Response, unknown>
}

const route = (account: Account, http: Http, name: string, id: string, query: string): Routed | undefined => {
  const { store } = account
  const batch = (use: (batch: Store.StoredBatch) => Effect.Effect<Response>) =>
    Effect.suspend(() => {
      const found = store.batches.find((batch) => batch.id === id && !batch.isUnknown)
      return found === undefined ? Effect.succeed(notFound(`No batch found with id '${id}'.`)) : use(found)
    })
  const file = (use: (file: Store.StoredFile) => Effect.Effect<Response>) =>
    Effect.suspend(() => {
      const found = store.files.find((file) => file.id === id)
      return found === undefined ? Effect.succeed(notFound(`No such File object: ${id}`)) : use(found)
    })
  switch (name) {
    case "POST files":
      return { operation: "upload", run: upload(account, http) }
    case "GET files":
      return { operation: "list", run: Effect.sync(() => page(store.files.map(toFile), query)) }
    case "GET files/id":
      return { operation: "retrieve", run: file((file) => Effect.succeed(Responses.json(toFile(file), {}))) }
    case "DELETE files/id":
      return { operation: "delete", run: file((file) => remove(account, file)) }
    case "GET files/id/content":
      return { operation: "content", run: file((file) => content(account, file)) }
    case "POST batches":
      return { operation: "create", run: create(account, http) }
    case "GET batches":
      return {
        operation: "list",
        run: Effect.sync(() => page(store.batches.filter(({ isUnknown }) => !isUnknown).map(toBatch(account)), query))
      }
    case "GET batches/id":
      return {
        operation: "retrieve",
        run: batch((found) => Effect.succeed(Responses.json(toBatch(account)(found), {})))
      }
    case "POST batches/id/cancel":
      return { operation: "cancel", run: batch((found) => cancel(account, found)) }
    default:
      return undefined
  }
}

const notFound = (message: string): Response => Responses.respond(Fault.error(404, { message }), {})
const invalid = (message: string): Response => Responses.respond(Fault.error(400, { message }), {})

const upload = (account: Account, http: Http): Effect.Effect<Response, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const parts = yield* http.multipart
    const [file] = (parts["file"] ?? []) as ReadonlyArray<Multipart.PersistedFile>
    const { purpose } = parts
    if (file === undefined || !Multipart.isPersistedFile(file)) return invalid("'file' is a required property")
    const { store } = account
    const id = store.nextFileId()
    Fs.copyFileSync(file.path, store.pathOf(id))
    const stored: Store.StoredFile = {
      id,
      bytes: Fs.statSync(store.pathOf(id)).size,
      createdAt: yield* seconds,
      filename: file.name,
      purpose: Predicate.isString(purpose) ? purpose : "batch"
    }
    store.files.push(stored)
    store.save()
    return Responses.json(toFile(stored), {})
  })).pipe(
    Effect.provideService(Multipart.MaxFileSize, undefined),
    // By default a file of type `application/jsonl` counts as a field.
    Effect.provideService(Multipart.FieldMimeTypes, []),
    // @effect-diagnostics-next-line strictEffectProvide:off
    Effect.provide(platform)
  )

const remove = ({ store }: Account, file: Store.StoredFile): Effect.Effect<Response> =>
  Effect.sync(() => {
    store.files.splice(store.files.indexOf(file), 1)
    Fs.rmSync(store.pathOf(file.id), { force: true })
    store.save()
    return Responses.json({ id: file.id, object: "file", deleted: true }, {})
  })

/** Results may be missing for a moment, which OpenAI answers with a 403 or a 404. */
const content = ({ store }: Account, file: Store.StoredFile): Effect.Effect<Response> =>
  Effect.sync(() => {
    const batch = store.batches.find(({ errorFileId, outputFileId }) =>
      outputFileId === file.id || errorFileId === file.id
    )
    if (batch !== undefined && batch.missing > 0) {
      batch.missing--
      return batch.missing % 2 === 0
        ? notFound(`No such File object: ${file.id}`)
        : Responses.respond(Fault.error(403, { message: "You are not allowed to read this file." }), {})
    }
    const bytes = Stream.fromAsyncIterable(Fs.createReadStream(store.pathOf(file.id)), (cause) => cause)
    return HttpServerResponse.stream(bytes as Stream.Stream<Uint8Array, unknown>, {
      contentType: "application/octet-stream"
    })
  })

const seconds: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)

const create = (account: Account, http: Http): Effect.Effect<Response, unknown> =>
  Effect.gen(function*() {
    const { settings, store } = account
    const body = yield* http.json
    if (!Predicate.isObject(body)) return invalid("The body is not a JSON object.")
    const { endpoint, input_file_id: inputFileId, metadata } = body
    const file = store.files.find(({ id }) => id === inputFileId)
    if (file === undefined) return notFound(`No such File object: ${String(inputFileId)}`)
    if (endpoint !== "/v1/chat/completions") return invalid(`Invalid endpoint: ${String(endpoint)}`)
    const index = store.batches.length
    const trap = settings.trap?.({ index })
    const batch: Store.StoredBatch = {
      id: `batch_${index}`,
      index,
      inputFileId: file.id,
      endpoint,
      metadata: Predicate.isObject(metadata) ? metadata as { readonly [key: string]: string } : null,
      createdAt: yield* seconds,
      status: "validating",
      outputFileId: null,
      errorFileId: null,
      errors: [],
      counts: { total: 0, completed: 0, failed: 0 },
      endedAt: null,
      cancellingAt: null,
      tokens: 0,
      missing: trap?.contentMissing ?? 0,
      isUnknown: trap?.unknown ?? false
    }
    store.batches.push(batch)
    store.save()
    yield* begin(account, batch)
    return Responses.json(toBatch(account)(batch), {})
  })

/** Begins to work on a batch, or goes on after the simulator was stopped. */
const begin = (account: Account, batch: Store.StoredBatch): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkIn(work(account, batch), account.scope))

const limits = { requests: 50_000, bytes: 200 * 1024 * 1024 }

/** What is wrong with the input file of a batch, if anything. Counts its requests and tokens. */
const validate = Effect.fnUntraced(function*({ settings, store }: Account, batch: Store.StoredBatch) {
  const path = store.pathOf(batch.inputFileId)
  const errors: Array<Store.StoredBatch["errors"][number]> = []
  const models = new Set<string>()
  let total = 0
  let tokens = 0
  yield* Stream.runForEach(Work.rows(path), (row) =>
    Effect.sync(() => {
      total++
      if (Result.isFailure(row)) errors.push(row.failure)
      else {
        tokens += row.success.chat.promptTokens
        models.add(row.success.chat.simulated.model)
      }
    }))
  batch.counts.total = total
  batch.tokens = tokens
  if (total === 0) errors.push({ code: "empty_file", message: "The input file is empty.", line: null })
  if (models.size > 1) errors.push({ code: "mismatched_model", message: "A batch has one model.", line: null })
  if (total > limits.requests || Fs.statSync(path).size > limits.bytes) {
    errors.push({ code: "request_limit_exceeded", message: "The input file is too large.", line: null })
  }
  const enqueued = store.batches.reduce((sum, other) => isOver(other) ? sum : sum + other.tokens, 0)
  const limit = settings.enqueuedTokens ?? Infinity
  if (enqueued > limit) {
    errors.push({
      code: "token_limit_exceeded",
      message: `Enqueued token limit reached for ${
        Array.from(models).join()
      } in organization org-1. Limit: ${limit} enqueued tokens.`,
      line: null
    })
  }
  return errors
})

const work = Effect.fnUntraced(function*(account: Account, batch: Store.StoredBatch) {
  const { options, settings, store } = account
  const trap = settings.trap?.({ index: batch.index })
  const errors = yield* validate(account, batch)
  if (errors.length > 0) {
    batch.errors = errors
    return yield* end(account, batch, "failed")
  }
  if (batch.status === "validating") batch.status = "in_progress"
  store.save()
  const duration = Duration.toSeconds(Duration.fromInputUnsafe(settings.duration ?? "50 millis"))
  const window = Duration.toSeconds(Duration.fromInputUnsafe(settings.window ?? "24 hours"))
  const endsAt = batch.createdAt + Math.min(duration, window)
  const total = batch.counts.total
  while ((yield* seconds) < endsAt && batch.status !== "cancelling") yield* Effect.sleep("10 millis")
  const cancelled = batch.status === "cancelling"
  const elapsed = Math.min(1, ((yield* seconds) - batch.createdAt) / Math.max(duration, 1e-9))
  const ends = cancelled ? "cancelled" : trap?.ends ?? (window < duration ? "expired" : "completed")
  if (ends === "failed") {
    batch.errors = [{ code: "server_error", message: "The batch failed.", line: null }]
    return yield* end(account, batch, "failed")
  }
  if (ends === "completed") batch.status = "finalizing"
  const [output, failures] = [store.nextFileId(), store.nextFileId()]
  const written = yield* Work.answer(
    { input: store.pathOf(batch.inputFileId), output: store.pathOf(output), errors: store.pathOf(failures) },
    options,
    {
      answered: trap?.answered ?? (ends === "completed" ? total : Math.floor(total * elapsed)),
      nowMillis: batch.createdAt * 1000,
      rest: ends === "expired" ? "batch_expired" : ends === "cancelled" ? "batch_cancelled" : undefined
    }
  )
  batch.counts = { total, ...written }
  const createdAt = yield* seconds
  const keep = (id: string, filename: string): string | null => {
    if (!Fs.existsSync(store.pathOf(id)) || trap?.noFiles === true) return null
    store.files.push({ id, bytes: Fs.statSync(store.pathOf(id)).size, createdAt, filename, purpose: "batch_output" })
    return id
  }
  batch.outputFileId = keep(output, "output.jsonl")
  batch.errorFileId = keep(failures, "errors.jsonl") ?? (trap?.emptyIds === true ? "" : null)
  yield* end(account, batch, ends)
})

const end = ({ store }: Account, batch: Store.StoredBatch, status: string): Effect.Effect<void> =>
  Effect.map(seconds, (now) => {
    batch.endedAt = now
    batch.status = status
    store.save()
  })

const cancel = (account: Account, batch: Store.StoredBatch): Effect.Effect<Response> =>
  Effect.gen(function*() {
    if (isOver(batch)) {
      return Responses.respond(
        Fault.error(409, { message: `Cannot cancel a batch with status '${batch.status}'.` }),
        {}
      )
    }
    batch.status = "cancelling"
    batch.cancellingAt = yield* seconds
    account.store.save()
    return Responses.json(toBatch(account)(batch), {})
  })

const isOver = ({ status }: Store.StoredBatch): boolean =>
  status === "completed" || status === "failed" || status === "expired" || status === "cancelled"

/** A page of a list, the newest first. */
const page = (objects: ReadonlyArray<{ readonly id: string }>, query: string): Response => {
  const parameters = new URLSearchParams(query)
  const limit = Math.max(1, Math.min(100, Number(parameters.get("limit") ?? 20) || 20))
  const purpose = parameters.get("purpose")
  const newest = objects.toReversed().filter((object) =>
    purpose === null || !("purpose" in object) || object.purpose === purpose
  )
  const after = newest.findIndex(({ id }) => id === parameters.get("after"))
  const data = newest.slice(after + 1, after + 1 + limit)
  return Responses.json({
    object: "list",
    data: data as unknown as Parameters<typeof Responses.json>[0],
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: after + 1 + limit < newest.length
  }, {})
}

const toFile = ({ bytes, createdAt, filename, id, purpose }: Store.StoredFile) => ({
  id,
  object: "file",
  bytes,
  created_at: Math.floor(createdAt),
  expires_at: null,
  filename,
  purpose,
  status: "processed"
})

const toBatch = ({ settings }: Account) => (batch: Store.StoredBatch) => {
  const window = Duration.toSeconds(Duration.fromInputUnsafe(settings.window ?? "24 hours"))
  const at = (status: string): number | null => batch.status === status ? Math.floor(batch.endedAt ?? 0) : null
  const began = batch.status !== "validating"
  return {
    id: batch.id,
    object: "batch",
    endpoint: batch.endpoint,
    errors: batch.errors.length === 0
      ? null
      : { object: "list", data: batch.errors.map((error) => ({ ...error, param: null })) },
    input_file_id: batch.inputFileId,
    completion_window: "24h",
    status: batch.status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: Math.floor(batch.createdAt),
    in_progress_at: began ? Math.floor(batch.createdAt) : null,
    expires_at: Math.floor(batch.createdAt + window),
    finalizing_at: at("completed"),
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: batch.cancellingAt === null ? null : Math.floor(batch.cancellingAt),
    cancelled_at: at("cancelled"),
    request_counts: batch.counts,
    metadata: batch.metadata
  }
}
