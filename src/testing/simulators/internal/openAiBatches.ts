/** The Files and Batches endpoints of OpenAI. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import { empty } from "effect/http/Headers"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Multipart from "effect/http/Multipart"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Fault from "../../Fault.ts"
import type { Options } from "../OpenAiSimulator.ts"
import * as Account from "./batchAccount.ts"
import type { Format, Outcome } from "./batchFormat.ts"
import type * as Store from "./batchStore.ts"
import * as ChatRequest from "./chatRequest.ts"
import { openAi } from "./openAi.ts"
import { refuseKey } from "./refusal.ts"
import * as Responses from "./responses.ts"
import type { Handler } from "./server.ts"

const platform = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const format: Format = {
  speaker: openAi,
  headers: empty,
  read: ({ body, custom_id: id, method, url }, index) => {
    if (!Predicate.isString(id) || id === "") {
      return { code: "missing_required_parameter", message: "Missing 'custom_id'." }
    }
    if (method !== "POST") return { code: "invalid_method", message: "The method must be 'POST'." }
    if (url !== "/v1/chat/completions") {
      return { code: "invalid_url", message: "The URL does not match the endpoint of the batch." }
    }
    const chat = ChatRequest.read(JSON.stringify(body), index)
    return typeof chat === "string" ? { code: "invalid_request", message: chat } : { id, chat }
  },
  write: (id, outcome) => ({ id: `batch_req_${id}`, custom_id: id, ...write(outcome) }),
  hasErrorFile: true,
  canFail: true
}

const write = (outcome: Outcome) => {
  switch (outcome._tag) {
    case "Answer":
      return { response: response(200, outcome.body), error: null }
    case "Fault":
      return { response: response(outcome.fault.status, bodyOf(outcome.fault)), error: null }
    case "NoStatus":
      return { response: response(0, null), error: null }
    case "Expired":
    case "Cancelled":
      return {
        response: null,
        error: {
          code: `batch_${outcome._tag.toLowerCase()}`,
          message: "This request could not be executed before the batch ended."
        }
      }
  }
}

const response = (status: number, body: Schema.Json) => ({ status_code: status, request_id: "req_simulated", body })

const bodyOf = ({ body }: Fault.Respond): Schema.Json =>
  Result.getOrElse(Result.try(() => JSON.parse(body) as Schema.Json), () => body)

export const make = (options: Options): Effect.Effect<Handler, never, Scope.Scope> =>
  Effect.map(Account.open(options, format), (account) => {
    const run = Account.makeRun(account)
    return (http) => {
      const [path, query = ""] = http.url.split("?", 2) as [string, string?]
      if (!/^\/v1\/(files|batches)(\/|$)/.test(path)) return undefined
      const refused = refuseKey(http.headers["authorization"], options)
      if (refused !== undefined) return Effect.succeed(Responses.respond(refused, {}))
      const [, , kind, id, part] = path.split("/")
      const name = `${http.method} ${kind}${id === undefined ? "" : "/id"}${part === undefined ? "" : `/${part}`}`
      const found = route(account, http, name, id ?? "", query)
      return found === undefined
        ? Effect.succeed(notFound(`Unknown request URL: ${http.method} ${http.url}`))
        : run(http, found)
    }
  })

const route = (
  account: Account.Account,
  http: Account.Http,
  name: string,
  id: string,
  query: string
): Account.Routed | undefined => {
  const { store } = account
  const batch = (use: (batch: Store.StoredBatch) => Effect.Effect<Account.Response>) =>
    Effect.suspend(() => {
      const found = Account.find(account, id)
      return found === undefined ? Effect.succeed(notFound(`No batch found with id '${id}'.`)) : use(found)
    })
  const file = (use: (file: Store.StoredFile) => Effect.Effect<Account.Response>) =>
    Effect.suspend(() => {
      const found = store.files.find((file) => file.id === id)
      return found === undefined ? Effect.succeed(notFound(`No such File object: ${id}`)) : use(found)
    })
  switch (name) {
    case "POST files":
      return { operation: "upload", run: upload(account, http) }
    case "GET files":
      return { operation: "list", run: Effect.sync(() => page(store.files.toReversed().map(toFile), query)) }
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
        run: Effect.sync(() => page(Account.newest(account).map(toBatch(account)), query))
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

const notFound = (message: string): Account.Response => Responses.respond(Fault.error(404, { message }), {})
const invalid = (message: string): Account.Response => Responses.respond(Fault.error(400, { message }), {})

const upload = (account: Account.Account, http: Account.Http): Effect.Effect<Account.Response, unknown> =>
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
      createdAt: yield* Account.seconds,
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

const remove = ({ store }: Account.Account, file: Store.StoredFile): Effect.Effect<Account.Response> =>
  Effect.sync(() => {
    store.files.splice(store.files.indexOf(file), 1)
    Fs.rmSync(store.pathOf(file.id), { force: true })
    store.save()
    return Responses.json({ id: file.id, object: "file", deleted: true }, {})
  })

/** Results may be missing for a moment, which OpenAI answers with a 403 or a 404. */
const content = (account: Account.Account, file: Store.StoredFile): Effect.Effect<Account.Response> =>
  Effect.sync(() => {
    const batch = account.store.batches.find(({ errorFileId, outputFileId }) =>
      outputFileId === file.id || errorFileId === file.id
    )
    if (batch !== undefined && Account.isMissing(batch)) {
      return batch.missing % 2 === 0
        ? notFound(`No such File object: ${file.id}`)
        : Responses.respond(Fault.error(403, { message: "You are not allowed to read this file." }), {})
    }
    return HttpServerResponse.stream(Account.read(account, file.id), { contentType: "application/octet-stream" })
  })

const create = (account: Account.Account, http: Account.Http): Effect.Effect<Account.Response, unknown> =>
  Effect.gen(function*() {
    const { store } = account
    const body = yield* http.json
    if (!Predicate.isObject(body)) return invalid("The body is not a JSON object.")
    const { endpoint, input_file_id: inputFileId, metadata } = body
    const file = store.files.find(({ id }) => id === inputFileId)
    if (file === undefined) return notFound(`No such File object: ${String(inputFileId)}`)
    if (endpoint !== "/v1/chat/completions") return invalid(`Invalid endpoint: ${String(endpoint)}`)
    const batch = yield* Account.add(account, {
      id: `batch_${store.batches.length}`,
      inputFileId: file.id,
      endpoint,
      metadata: Predicate.isObject(metadata) ? metadata as { readonly [key: string]: string } : null,
      model: null,
      isInline: false
    })
    yield* Account.begin(account, batch)
    return Responses.json(toBatch(account)(batch), {})
  })

const cancel = (account: Account.Account, batch: Store.StoredBatch): Effect.Effect<Account.Response> =>
  Account.isOver(batch)
    ? Effect.succeed(Account.fail(account, 409, `Cannot cancel a batch with status '${batch.status}'.`))
    : Effect.map(Account.cancel(account, batch), () => Responses.json(toBatch(account)(batch), {}))

/** A page of a list, the newest first. */
const page = (objects: ReadonlyArray<{ readonly id: string }>, query: string): Account.Response => {
  const parameters = new URLSearchParams(query)
  const limit = Math.max(1, Math.min(100, Number(parameters.get("limit") ?? 20) || 20))
  const purpose = parameters.get("purpose")
  const newest = objects.filter((object) => purpose === null || !("purpose" in object) || object.purpose === purpose)
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

const toBatch = (account: Account.Account) => (batch: Store.StoredBatch) => {
  const { completed, failed, total } = batch.counts
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
    expires_at: Math.floor(batch.createdAt + Account.windowOf(account)),
    finalizing_at: at("completed"),
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: batch.cancellingAt === null ? null : Math.floor(batch.cancellingAt),
    cancelled_at: at("cancelled"),
    request_counts: { completed, failed, total },
    metadata: batch.metadata
  }
}
