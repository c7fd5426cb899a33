/** What travels between processes: references to chunks in the queue, and the chunks' prompts in the database. */
import * as Prompt from "effect/ai/Prompt"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Compiled from "../../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import type { Planned } from "../item.ts"

/** A message of the queue. */
export const ChunkReference = Schema.Struct({
  job: Schema.Int,
  name: Schema.String,
  chunk: Schema.Natural,
  /** Of its prompts. */
  print: Schema.String,
  /** Counts how often the chunk was put into the queue. Only the last message counts. */
  generation: Schema.Natural,
  /** Of the extraction. */
  fingerprint: Schema.String,
  trace: Schema.optionalKey(Schema.Struct({
    traceId: Schema.String,
    spanId: Schema.String,
    sampled: Schema.Boolean
  }))
})

export type ChunkReference = typeof ChunkReference.Type

export const queueOf = (fingerprint: string): string => `effect-instructor/${fingerprint}`

export const idOf = ({ chunk, generation, job, print }: ChunkReference): string =>
  `${job}/${chunk}/${generation}/${print}`

/** An item of a chunk. */
export interface Row {
  readonly index: number
  readonly id: string | undefined
  readonly prompt: PromptInput
}

const promptCodec = Schema.toCodecJson(Prompt.Prompt)
const encodePrompt = Schema.encodeResult(promptCodec)

/** The prompt of an item as JSON: a text as it is, anything else as a whole prompt. */
export const toPrompt = <A, Input, In extends Input, R>(
  extraction: Extraction<A, Input, R>,
  { error, input }: Planned<In>
): Result.Result<Schema.Json, ExtractionError> =>
  error !== undefined
    ? Result.fail(error)
    : Compiled.toPrompt(
      extraction,
      input,
      (prompt) =>
        typeof prompt === "string" ? prompt : Result.getOrThrow<Schema.Json, unknown>(encodePrompt(Prompt.make(prompt)))
    )

const Rows = Schema.fromJsonString(Schema.Array(Schema.Tuple([
  Schema.Natural,
  Schema.NullOr(Schema.String),
  Schema.Union([Schema.String, promptCodec])
])))

const decodeRows = Schema.decodeUnknownOption(Rows)

export const encodeRows = (
  rows: ReadonlyArray<readonly [index: number, id: string | null, prompt: Schema.Json]>
): string => JSON.stringify(rows)

export const rowsOf = (text: string): Option.Option<ReadonlyArray<Row>> =>
  Option.map(decodeRows(text), (rows) => rows.map(([index, id, prompt]) => ({ index, id: id ?? undefined, prompt })))
