/** What travels between processes: references to chunks in the queue, and the chunks' prompts in the database. */
import * as Prompt from "effect/ai/Prompt"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Compiled from "../../../extraction/Compiled.ts"
import { type Extraction, make, mapInput, type PromptInput } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import { notSent, type Planned } from "../item.ts"

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
  /** Its prompt, or the input itself of an extraction that is made of others. */
  readonly prompt: PromptInput
  /** The text that values are looked up in, where it is not that of the prompt. */
  readonly source: string | undefined
}

export type AnyRow = readonly [index: number, id: string | null, prompt: Schema.Json, source?: string]

const promptCodec = Schema.toCodecJson(Prompt.Prompt)
const encodePrompt = Schema.encodeResult(promptCodec)

/** An item as it travels: with its prompt, or with its input if the extraction has several prompts. */
export const toRow = <A, Input, In extends Input, R>(
  extraction: Extraction<A, Input, R>,
  { error, id, index, input }: Planned<In>
): Result.Result<AnyRow, ExtractionError> => {
  if (error !== undefined) return Result.fail(error)
  const place = [index, id ?? null] as const
  if (extraction.derivation !== undefined) {
    return Result.map(jsonOf(extraction.name, input), (json) => [...place, json] as const)
  }
  return Compiled.toPrompt(extraction, input, (prompt): AnyRow => {
    const json = typeof prompt === "string"
      ? prompt
      : Result.getOrThrow<Schema.Json, unknown>(encodePrompt(Prompt.make(prompt)))
    // Only checks look values up.
    const source = extraction.checks.length === 0 ? undefined : extraction.source?.(input)
    return source === undefined ? [...place, json] : [...place, json, source]
  })
}

/** An input as JSON, if nothing of it is lost. */
const jsonOf = (extraction: string, input: unknown): Result.Result<Schema.Json, ExtractionError> => {
  const copied = Result.try((): Schema.Json => JSON.parse(JSON.stringify(input)))
  return Result.isSuccess(copied) && isSame(copied.success, input)
    ? Result.succeed(copied.success)
    : Result.fail(notSent(
      extraction,
      "An extraction that is made of others sends its inputs to workers, and this input has no JSON form"
    ))
}

/** Whether a value is the same as its JSON, but for properties that are not defined. */
const isSame = (json: Schema.Json, value: unknown): boolean => {
  if (typeof json !== "object" || json === null || typeof value !== "object" || value === null) return json === value
  if (Array.isArray(json)) {
    return Array.isArray(value) && json.length === value.length && json.every((item, i) => isSame(item, value[i]))
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  return Object.entries(value).every(([key, item]) =>
    item === undefined || Object.hasOwn(json, key) && isSame((json as Schema.JsonObject)[key]!, item)
  )
}

const Rows = Schema.fromJsonString(Schema.Array(Schema.Union([
  Schema.Tuple([Schema.Natural, Schema.NullOr(Schema.String), Schema.Json]),
  Schema.Tuple([Schema.Natural, Schema.NullOr(Schema.String), Schema.Json, Schema.String])
])))

const decodeRows = Schema.decodeUnknownOption(Rows)
const decodePrompt = Schema.decodeUnknownOption(promptCodec)

export const encodeRows = (rows: ReadonlyArray<AnyRow>): string => JSON.stringify(rows)

/** The items of a chunk, or `None` if the text is not one. */
export const rowsOf = (
  { derivation }: Pick<Extraction<unknown, never, unknown>, "derivation">,
  text: string
): Option.Option<ReadonlyArray<Row>> =>
  Option.flatMap(decodeRows(text), (rows) =>
    Option.all(rows.map(([index, id, json, source]) =>
      Option.map(
        derivation !== undefined || typeof json === "string" ? Option.some(json as PromptInput) : decodePrompt(json),
        (prompt): Row => ({ index, id: id ?? undefined, prompt, source })
      )
    )))

/** The extraction of a worker, whose prompts are made already. */
export const ofRows = (extraction: Extraction<unknown, never, unknown>): Extraction<unknown, Row, unknown> => {
  if (extraction.derivation !== undefined) return mapInput(extraction, ({ prompt }: Row) => prompt as never)
  const options = { ...extraction, prompt: ({ prompt }: Row) => prompt, source: ({ source }: Row) => source }
  return make<unknown, unknown, Row>(options)
}
