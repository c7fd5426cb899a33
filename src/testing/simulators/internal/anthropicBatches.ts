/** Anthropic's Message Batches. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { fromInput } from "effect/http/Headers"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Options } from "../OpenAiSimulator.ts"
import { anthropic } from "./anthropic.ts"
import * as Request from "./anthropic/request.ts"
import * as Wire from "./anthropic/wire.ts"
import * as Account from "./batchAccount.ts"
import type { Format, Outcome } from "./batchFormat.ts"
import type * as Store from "./batchStore.ts"
import { object, objects, parse, string } from "./json.ts"
import * as Responses from "./responses.ts"
import type { Handler } from "./server.ts"

const format: Format = {
  speaker: anthropic,
  headers: fromInput({ "anthropic-version": "2023-06-01" }),
  read: ({ custom_id: id, params }, index) => ({
    id: String(id),
    chat: object(params)?.["stream"] === true
      ? "stream: not supported in a batch"
      : Request.read(JSON.stringify(params), index)
  }),
  write: (id, outcome) => ({ custom_id: id, result: write(outcome) }),
  hasErrorFile: false,
  canFail: false
}

const write = (outcome: Outcome): Schema.Json => {
  switch (outcome._tag) {
    case "Answer":
      return { type: "succeeded", message: inBatch(outcome.body) }
    case "Fault":
      return { type: "errored", error: parse(outcome.fault.body) as Schema.Json ?? null }
    case "NoStatus":
      return { type: "errored", error: null }
    case "Expired":
      return { type: "expired" }
    case "Cancelled":
      return { type: "canceled" }
  }
}

const inBatch = (message: Schema.Json): Schema.Json => {
  const body = message as { readonly [key: string]: Schema.Json }
  return { ...body, usage: { ...body["usage"] as object, service_tier: "batch" } }
}

export const make = (options: Options): Effect.Effect<Handler, never, Scope.Scope> =>
  Effect.map(Account.open(options, format), (account) => {
    const run = Account.makeRun(account)
    return (http) => {
      const [path, query = ""] = http.url.split("?", 2) as [string, string?]
      const [, id, part] = /^\/v1\/messages\/batches(?:\/([^/]+)(?:\/([^/]+))?)?$/.exec(path) ?? [undefined]
      if (!path.startsWith("/v1/messages/batches")) return undefined
      const refused = anthropic.refuseKey(http.headers, options)
      if (refused !== undefined) return Effect.succeed(Responses.respond(refused, {}))
      const found = route(account, http, id, part, query)
      return found === undefined
        ? Effect.succeed(Account.fail(account, 404, `Not found: ${http.method} ${path}`))
        : run(http, found)
    }
  })

const route = (
  account: Account.Account,
  http: Account.Http,
  id: string | undefined,
  part: string | undefined,
  query: string
): Account.Routed | undefined => {
  const show = (batch: Store.StoredBatch): Account.Response => Responses.json(toBatch(account, http, batch), {})
  if (id === undefined) {
    return http.method === "POST"
      ? { operation: "create", run: create(account, http) }
      : { operation: "list", run: Effect.sync(() => page(account, http, query)) }
  }
  const use = (run: (batch: Store.StoredBatch) => Effect.Effect<Account.Response>) =>
    Effect.suspend(() => {
      const found = Account.find(account, id)
      return found === undefined ? Effect.succeed(unknown(account, id)) : run(found)
    })
  switch (`${http.method} ${part ?? ""}`) {
    case "GET ":
      return { operation: "retrieve", run: use((batch) => Effect.succeed(show(batch))) }
    case "DELETE ":
      return { operation: "delete", run: use((batch) => remove(account, batch)) }
    case "GET results":
      return { operation: "content", run: use((batch) => Effect.sync(() => results(account, batch))) }
    case "POST cancel":
      return {
        operation: "cancel",
        run: use((batch) =>
          Account.isOver(batch)
            ? Effect.succeed(Account.fail(account, 400, `Batch ${id} cannot be canceled because it has ended.`))
            : Effect.map(Account.cancel(account, batch), () => show(batch))
        )
      }
    default:
      return undefined
  }
}

const unknown = (account: Account.Account, id: string): Account.Response =>
  Account.fail(account, 404, `Message batch ${id} not found.`)

const maxRequests = 100_000

const create = (account: Account.Account, http: Account.Http): Effect.Effect<Account.Response, unknown> =>
  Effect.gen(function*() {
    const body = object(parse(yield* http.text))
    const requests = objects(body?.["requests"])
    if (requests.length === 0) return Account.fail(account, 400, "requests: Field required")
    if (requests.length > maxRequests) {
      return Account.fail(account, 400, `requests: List should have at most ${maxRequests} items`)
    }
    const seen = new Set<string>()
    for (const [i, { custom_id, params }] of requests.entries()) {
      const id = string(custom_id) ?? ""
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(id)) {
        return Account.fail(
          account,
          400,
          `requests.${i}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`
        )
      }
      if (seen.has(id)) return Account.fail(account, 400, `requests.${i}.custom_id: "${id}" is a duplicate`)
      if (object(params) === undefined) return Account.fail(account, 400, `requests.${i}.params: Field required`)
      seen.add(id)
    }
    const batch = yield* Account.add(account, {
      id: `msgbatch_${account.store.batches.length}`,
      inputFileId: Account.writeFile(account, requests.map((request) => JSON.stringify(request))),
      endpoint: "/v1/messages",
      metadata: null,
      model: null,
      isInline: true
    })
    yield* Account.count(account, batch)
    if (Account.isFull(account)) {
      account.store.batches.splice(account.store.batches.indexOf(batch), 1)
      return Responses.respond(
        Wire.error(
          429,
          "rate_limit_error",
          "This request would exceed your organization's limit of requests in the batch processing queue."
        ),
        {}
      )
    }
    yield* Account.begin(account, batch)
    return Responses.json(toBatch(account, http, batch), {})
  })

const remove = (account: Account.Account, batch: Store.StoredBatch): Effect.Effect<Account.Response> =>
  Effect.sync(() => {
    if (!Account.isOver(batch)) {
      return Account.fail(account, 400, `Batch ${batch.id} cannot be deleted because it has not ended.`)
    }
    batch.isUnknown = true
    account.store.save()
    return Responses.json({ id: batch.id, type: "message_batch_deleted" }, {})
  })

const results = (account: Account.Account, batch: Store.StoredBatch): Account.Response => {
  if (!Account.isOver(batch)) {
    return Account.fail(account, 404, `Batch ${batch.id} has no available results, because it has not ended.`)
  }
  if (Account.isMissing(batch)) {
    return batch.missing % 2 === 0 ? unknown(account, batch.id) : Account.fail(account, 403, "Forbidden")
  }
  const file = batch.outputFileId
  return file === null || file === ""
    ? HttpServerResponse.text("", { contentType: "application/x-jsonl" })
    : HttpServerResponse.stream(Account.read(account, file), { contentType: "application/x-jsonl" })
}

/** A page of the batches, the newest first. */
const page = (account: Account.Account, http: Account.Http, query: string): Account.Response => {
  const parameters = new URLSearchParams(query)
  const limit = Math.max(1, Math.min(1000, Number(parameters.get("limit") ?? 20) || 20))
  const newest = Account.newest(account)
  const after = newest.findIndex(({ id }) => id === parameters.get("after_id"))
  const data = newest.slice(after + 1, after + 1 + limit)
  return Responses.json({
    data: data.map((batch) => toBatch(account, http, batch)),
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: after + 1 + limit < newest.length
  }, {})
}

const time = (seconds: number | null): string | null =>
  seconds === null ? null : DateTime.formatIso(DateTime.makeUnsafe(Math.floor(seconds * 1000)))

const toBatch = (account: Account.Account, http: Account.Http, batch: Store.StoredBatch) => {
  const { cancelled, completed, expired, failed, total } = batch.counts
  const ended = Account.isOver(batch)
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: ended ? "ended" : batch.status === "cancelling" ? "canceling" : "in_progress",
    // They change only at the end.
    request_counts: ended
      ? { processing: 0, succeeded: completed, errored: failed - expired - cancelled, canceled: cancelled, expired }
      : { processing: total, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    created_at: time(batch.createdAt),
    expires_at: time(batch.createdAt + Account.windowOf(account)),
    ended_at: time(batch.endedAt),
    cancel_initiated_at: time(batch.cancellingAt),
    archived_at: null,
    results_url: ended && batch.outputFileId !== null
      ? batch.outputFileId === ""
        ? ""
        : `http://${http.headers["host"]}/v1/messages/batches/${batch.id}/results`
      : null
  }
}
