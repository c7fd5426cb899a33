/** `effect-instructor batch`: the batches of the account. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as OfflineBatch from "../../batch/OfflineBatch.ts"
import { BatchStatus, LlmBatch, type Reference } from "../../llm/LlmBatch.ts"
import type { LlmError } from "../../llm/LlmError.ts"
import { type CommandFailure, stopped } from "../commandFailure.ts"
import * as Flags from "../options/flags.ts"
import * as Provider from "../options/provider.ts"
import * as BatchTable from "../output/batchTable.ts"
import * as StandardOutput from "../output/standardOutput.ts"

const shared = {
  baseUrl: Flags.baseUrl,
  json: Flags.enabled("json").pipe(Flag.withDescription("Print one JSON object for each batch"))
}

const id = Argument.String("id").pipe(Argument.withDescription("The id of a batch"))

const encode = Schema.encodeSync(Schema.toCodecJson(BatchStatus))

const print = (statuses: ReadonlyArray<BatchStatus>, json: boolean): Effect.Effect<void, CommandFailure> =>
  StandardOutput.write(
    json ? statuses.map((status) => `${JSON.stringify(encode(status))}\n`).join("") : BatchTable.make(statuses)
  )

const failure = (error: LlmError): CommandFailure => stopped(error.message)

/** A batch of which only the id is known. */
const referenceOf = (id: string): Effect.Effect<Reference, never, LlmBatch> =>
  Effect.map(LlmBatch, ({ origin, provider }) => ({ provider, origin, id, name: "", model: "", requests: 0 }))

const list = Command.make("list", {
  ...shared,
  limit: Flags.count("limit").pipe(
    Flag.withAlias("n"),
    Flag.withDescription("List only so many, the newest first (default 20)"),
    Flag.withDefault(20)
  )
}, ({ json, limit }) =>
  Effect.flatMap(
    Effect.mapError(Stream.runCollect(Stream.take(OfflineBatch.list, limit)), failure),
    (statuses) => print(statuses, json)
  )).pipe(
    Command.provide(({ baseUrl }) => Provider.layerBatch({ baseUrl, sends: true })),
    Command.withDescription("List the batches of the account")
  )

const status = Command.make("status", { ...shared, id }, ({ id, json }) =>
  referenceOf(id).pipe(
    Effect.flatMap(OfflineBatch.status),
    Effect.mapError(failure),
    Effect.flatMap((status) => print([status], json))
  )).pipe(
    Command.provide(({ baseUrl }) => Provider.layerBatch({ baseUrl, sends: true })),
    Command.withDescription("Print the status of a batch")
  )

const cancel = Command.make("cancel", { ...shared, id }, ({ id, json }) =>
  referenceOf(id).pipe(
    Effect.tap(OfflineBatch.cancel),
    Effect.flatMap(OfflineBatch.status),
    Effect.mapError(failure),
    Effect.flatMap((status) => print([status], json))
  )).pipe(
    Command.provide(({ baseUrl }) => Provider.layerBatch({ baseUrl, sends: true })),
    Command.withDescription("Cancel a batch. What is answered by then is kept, and the next run collects it")
  )

export const batch = Command.make("batch").pipe(
  Command.withDescription("List, inspect and cancel the batches of the account, which run --engine offline submits"),
  Command.withSubcommands([list, status, cancel])
)
