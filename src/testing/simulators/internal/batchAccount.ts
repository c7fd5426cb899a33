/** The batches of a simulated account, whatever API it speaks: faults, the work in the background, and cancellation. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Fault from "../../Fault.ts"
import type { BatchOperation, BatchOptions, Options } from "../OpenAiSimulator.ts"
import type { Format } from "./batchFormat.ts"
import * as Store from "./batchStore.ts"
import * as Work from "./batchWork.ts"
import * as Responses from "./responses.ts"

export type Http = HttpServerRequest.HttpServerRequest
export type Response = HttpServerResponse.HttpServerResponse

export interface Account {
  readonly options: Options & { readonly batches: BatchOptions }
  readonly settings: BatchOptions
  readonly store: Store.Store
  readonly format: Format
  readonly scope: Scope.Scope
}

/** A request to files or batches. */
export interface Routed {
  readonly operation: BatchOperation
  readonly run: Effect.Effect<Response, unknown>
}

/** Opens the account, and goes on with the batches that it has. */
export const open = (options: Options, format: Format): Effect.Effect<Account, never, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = options.batches ?? {}
    const store = yield* Store.open(settings.directory)
    const scope = yield* Effect.scope
    const account: Account = { options: { ...options, batches: settings }, settings, store, format, scope }
    for (const batch of store.batches) if (!isOver(batch)) yield* begin(account, batch)
    return account
  })

/** Runs a request, or fails as the options say. */
export const makeRun = (
  { format: { speaker }, settings }: Account
): (http: Http, routed: Routed) => Effect.Effect<Response, unknown> => {
  const calls = new Map<BatchOperation, number>()
  return (http, { operation, run }) =>
    Effect.suspend(() => {
      const call = calls.get(operation) ?? 0
      calls.set(operation, call + 1)
      const fault = settings.fault?.(operation, call)
      if (fault === undefined) return run
      if (fault === "lose response") return Effect.andThen(run, Effect.suspend(() => Responses.end(Fault.drop, http)))
      return fault._tag === "Respond"
        ? Effect.succeed(Responses.respond(speaker.toFault(fault), {}))
        : Responses.end(fault, http)
    })
}

export const seconds: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)

/** The response to a request that fails. */
export const fail = ({ format: { speaker } }: Account, status: number, message: string, code?: string): Response =>
  Responses.respond(speaker.toFault(Fault.error(status, { message, code })), {})

export type Created = Pick<Store.StoredBatch, "endpoint" | "id" | "inputFileId" | "isInline" | "metadata" | "model">

/** Adds a batch that has not begun. */
export const add = ({ settings, store }: Account, created: Created): Effect.Effect<Store.StoredBatch> =>
  Effect.map(seconds, (createdAt) => {
    const index = store.batches.length
    const trap = settings.trap?.({ index })
    const batch: Store.StoredBatch = {
      ...created,
      index,
      createdAt,
      status: "validating",
      outputFileId: null,
      errorFileId: null,
      errors: [],
      counts: { total: 0, completed: 0, failed: 0, expired: 0, cancelled: 0 },
      endedAt: null,
      cancellingAt: null,
      tokens: 0,
      missing: trap?.contentMissing ?? 0,
      isUnknown: trap?.unknown ?? false
    }
    store.batches.push(batch)
    store.save()
    return batch
  })

/** Begins to work on a batch, or goes on after the simulator was stopped. */
export const begin = (account: Account, batch: Store.StoredBatch): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkIn(work(account, batch), account.scope))

type Errors = Store.StoredBatch["errors"]

/** Counts the requests and the tokens of a batch. Returns its models, and what is wrong with its lines. */
export const count = Effect.fnUntraced(function*({ format, store }: Account, batch: Store.StoredBatch) {
  const errors: Array<Errors[number]> = []
  const models = new Set<string>()
  let total = 0
  let tokens = 0
  yield* Stream.runForEach(Work.rows(store.pathOf(batch.inputFileId), format, batch.model), (row) =>
    Effect.sync(() => {
      total++
      if (Result.isFailure(row)) errors.push(row.failure)
      else if (typeof row.success.chat !== "string") {
        tokens += row.success.chat.promptTokens
        models.add(row.success.chat.simulated.model)
      }
    }))
  batch.counts.total = total
  batch.tokens = tokens
  return { errors, models }
})

/** Whether the account has more tokens enqueued than it may. */
export const isFull = ({ settings, store }: Account): boolean =>
  store.batches.reduce((sum, batch) => isOver(batch) ? sum : sum + batch.tokens, 0) >
    (settings.enqueuedTokens ?? Infinity)

const limits = { requests: 50_000, bytes: 200 * 1024 * 1024 }

/** What makes a batch fail, if anything does. */
const validate = Effect.fnUntraced(function*(account: Account, batch: Store.StoredBatch) {
  const { errors, models } = yield* count(account, batch)
  const add = (code: string, message: string): void => void errors.push({ code, message, line: null })
  if (batch.counts.total === 0) add("empty_file", "The input file is empty.")
  if (models.size > 1) add("mismatched_model", "A batch has one model.")
  if (
    batch.counts.total > limits.requests ||
    Fs.statSync(account.store.pathOf(batch.inputFileId)).size > limits.bytes
  ) add("request_limit_exceeded", "The input file is too large.")
  if (isFull(account)) {
    const names = Array.from(models).join()
    add(
      "token_limit_exceeded",
      `Enqueued token limit reached for ${names} in organization org-1. ` +
        `Limit: ${account.settings.enqueuedTokens} enqueued tokens.`
    )
  }
  return errors
})

const work = Effect.fnUntraced(function*(account: Account, batch: Store.StoredBatch) {
  const { format, options, settings, store } = account
  const trap = settings.trap?.({ index: batch.index })
  if (format.canFail) {
    batch.errors = yield* validate(account, batch)
    if (batch.errors.length > 0) return yield* end(account, batch, "failed")
  } else yield* count(account, batch)
  if (batch.status === "validating") batch.status = "in_progress"
  store.save()
  const duration = Duration.toSeconds(Duration.fromInputUnsafe(settings.duration ?? "50 millis"))
  const window = windowOf(account)
  const endsAt = batch.createdAt + Math.min(duration, window)
  const { total } = batch.counts
  while ((yield* seconds) < endsAt && batch.status !== "cancelling") yield* Effect.sleep("10 millis")
  const cancelled = batch.status === "cancelling"
  const elapsed = Math.min(1, ((yield* seconds) - batch.createdAt) / Math.max(duration, 1e-9))
  const ends = cancelled ? "cancelled" : trap?.ends ?? (window < duration ? "expired" : "completed")
  if (ends === "failed" && format.canFail) {
    batch.errors = [{ code: "server_error", message: "The batch failed.", line: null }]
    return yield* end(account, batch, "failed")
  }
  if (ends === "completed") batch.status = "finalizing"
  const [output, failures] = [store.nextFileId(), store.nextFileId()]
  const written = yield* Work.answer(
    { input: store.pathOf(batch.inputFileId), output: store.pathOf(output), errors: store.pathOf(failures) },
    options,
    format,
    {
      model: batch.model,
      answered: ends === "failed" ? 0 : trap?.answered ?? (ends === "completed" ? total : Math.floor(total * elapsed)),
      nowMillis: batch.createdAt * 1000,
      rest: rests[ends]
    }
  )
  batch.counts = { total, ...written }
  const createdAt = yield* seconds
  const keep = (id: string, filename: string): string | null => {
    if (!Fs.existsSync(store.pathOf(id)) || trap?.noFiles === true) return null
    store.files.push({ id, bytes: Fs.statSync(store.pathOf(id)).size, createdAt, filename, purpose: "batch_output" })
    return id
  }
  const none = trap?.emptyIds === true ? "" : null
  batch.outputFileId = keep(output, "output.jsonl") ?? (format.hasErrorFile ? null : none)
  batch.errorFileId = keep(failures, "errors.jsonl") ?? none
  yield* end(account, batch, ends)
})

const rests = { completed: undefined, expired: "Expired", cancelled: "Cancelled", failed: "Failed" } as const

/** The time after which a batch expires, in seconds. */
export const windowOf = ({ settings }: Account): number =>
  Duration.toSeconds(Duration.fromInputUnsafe(settings.window ?? "24 hours"))

const end = ({ store }: Account, batch: Store.StoredBatch, status: string): Effect.Effect<void> =>
  Effect.map(seconds, (now) => {
    batch.endedAt = now
    batch.status = status
    store.save()
  })

/** Asks the work on a batch to end. */
export const cancel = ({ store }: Account, batch: Store.StoredBatch): Effect.Effect<void> =>
  Effect.map(seconds, (now) => {
    batch.status = "cancelling"
    batch.cancellingAt = now
    store.save()
  })

export const isOver = ({ status }: Store.StoredBatch): boolean =>
  status === "completed" || status === "failed" || status === "expired" || status === "cancelled"

/** A batch by its id. */
export const find = ({ store }: Account, id: string): Store.StoredBatch | undefined =>
  store.batches.find((batch) => batch.id === id && !batch.isUnknown)

/** The batches that are known, the newest first. */
export const newest = ({ store }: Account): ReadonlyArray<Store.StoredBatch> =>
  store.batches.filter(({ isUnknown }) => !isUnknown).toReversed()

/** Counts a read of results that are missing for a moment. */
export const isMissing = (batch: Store.StoredBatch): boolean => {
  if (batch.missing === 0) return false
  batch.missing--
  return true
}

/** Keeps lines as a file. */
export const writeFile = ({ store }: Account, lines: Iterable<string>): string => {
  const id = store.nextFileId()
  const file = Fs.openSync(store.pathOf(id), "w")
  let chunk = ""
  for (const line of lines) {
    chunk += `${line}\n`
    if (chunk.length > 65_536) {
      Fs.writeSync(file, chunk)
      chunk = ""
    }
  }
  Fs.writeSync(file, chunk)
  Fs.closeSync(file)
  return id
}

/** The bytes of a file. */
export const read = ({ store }: Account, id: string): Stream.Stream<Uint8Array> =>
  Stream.orDie(Stream.fromAsyncIterable(Fs.createReadStream(store.pathOf(id)), (cause) => cause)) as Stream.Stream<
    Uint8Array
  >
