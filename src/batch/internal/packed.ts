/** Several texts in one request. `Batch` exports the public part. */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as JsonText from "../../answer/JsonText.ts"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Detailed, Extraction, PromptInput } from "../../extraction/Extraction.ts"
import * as ExtractionApi from "../../extraction/Extraction.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import * as ExtractionStream from "../../extraction/ExtractionStream.ts"
import * as Parts from "../../extraction/Parts.ts"
import { Llm } from "../../llm/Llm.ts"
import * as TokenCount from "../../llm/TokenCount.ts"
import * as Usage from "../../llm/Usage.ts"
import { defaultInstructions } from "../../prompt/Messages.ts"
import * as Grounding from "../../quality/Grounding.ts"
import type { BatchError } from "../BatchError.ts"
import { unrecoverable } from "./errors.ts"
import type { Item } from "./item.ts"
import { toLimit } from "./options.ts"
import { arrayChunkSize, refuseText, type Source, toStream } from "./source.ts"

/**
 * The options of `packed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PackedOptions<in In = never> {
  /**
   * The most texts in one request.
   *
   * @default 10
   */
  readonly perRequest?: number | undefined
  /** The most tokens of the texts of one request, as an estimate. Unlimited by default. */
  readonly maxTokens?: number | undefined
  /**
   * The number of requests in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | undefined
  readonly id?: ((input: In, index: number) => string | undefined) | undefined
  /** Runs when the stream ends without a failure. */
  readonly onEnd?: ((summary: PackedSummary) => Effect.Effect<void>) | undefined
}

/**
 * What packing saved: what `onEnd` receives.
 *
 * @category models
 * @since 0.1.0
 */
export interface PackedSummary {
  readonly items: number
  /** Requests with several texts. */
  readonly packed: number
  /** Items that were asked for alone, at first or again. */
  readonly alone: number
  /** Input tokens, as an estimate, that requests for each item would have used in addition. Negative if packing lost. */
  readonly savedInputTokens: number
  /** The usage of all requests. */
  readonly usage: Usage.Usage
}

const instructions =
  "The user gives you several texts, each in a <text> element with an id. Treat each of them alone, as if " +
  "it were the only one. For each text give one element of the list with its id, its first three words as `start`, and " +
  "the value that was extracted from it and from no other text."

interface Packed<out A> {
  readonly id: string
  readonly start: string
  readonly value: A
}

/** The extraction of one element of a pack. Checks run on each value when it is unpacked. */
const elementOf = memoize(
  (self: Extraction<unknown, never, unknown>): Extraction<Packed<unknown>, string, unknown> =>
    ExtractionApi.make<Packed<unknown>, unknown, string>({
      name: self.name,
      description: self.description,
      instructions: `${self.instructions ?? defaultInstructions}\n\n${instructions}`,
      mode: self.mode,
      model: self.model,
      maxAttempts: 1,
      timeout: self.timeout,
      cache: self.cache,
      coerce: self.coerce,
      parameters: self.parameters,
      schema: Schema.Struct({
        id: Schema.String.annotate({ description: "the id of the text" }),
        start: Schema.String.annotate({ description: "the first three words of the text" }),
        value: self.schema
      })
    })
)

interface Entry<out In> {
  readonly index: number
  readonly id: string | undefined
  readonly input: In
  /** The text to pack, or `undefined` for an input that can only be asked for alone. */
  readonly text: string | undefined
  readonly tokens: number
}

interface State {
  items: number
  packed: number
  alone: number
  saved: number
  usage: Usage.Usage
}

interface Context<in out A, in Input, in In, out R> {
  readonly self: Extraction<A, Input, R>
  readonly llm: Llm["Service"]
  readonly options: PackedOptions<In>
  readonly state: State
}

const run = <A, Input, R, In extends Input, E, R2>(
  self: Extraction<A, Input, R>,
  source: Source<In, E, R2>,
  options: PackedOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2> =>
  Stream.unwrap(Effect.gen(function*() {
    const refused = refuseText(self.name, source)
    if (refused !== undefined) return Stream.fail(unrecoverable(refused)) as never
    const llm = yield* Llm
    const compiled = Compiled.make(self, llm.dialect)
    if (Result.isFailure(compiled)) return yield* unrecoverable(compiled.failure)
    const state: State = { items: 0, packed: 0, alone: 0, saved: 0, usage: Usage.zero }
    const context: Context<A, Input, In, R> = { self, llm, options, state }
    let next = 0
    return toStream(source, arrayChunkSize).pipe(
      Stream.map((input) => toEntry(compiled.success, llm, input, next++, options)),
      Stream.mapAccum(
        (): ReadonlyArray<Entry<In>> => [],
        (waiting, entry) => fill(waiting, entry, options),
        { onHalt: (rest) => rest.length === 0 ? [] : [rest] }
      ),
      Stream.mapEffect((entries) => runPack(context, entries), { concurrency: toLimit(options.concurrency) }),
      Stream.flattenIterable,
      Stream.onEnd(Effect.suspend(() =>
        options.onEnd?.({
          items: state.items,
          packed: state.packed,
          alone: state.alone,
          savedInputTokens: Math.round(state.saved),
          usage: state.usage
        }) ?? Effect.void
      ))
    )
  }))

const toEntry = <A, Input, R, In extends Input>(
  compiled: Compiled.Compiled<A, Input, R>,
  llm: Llm["Service"],
  input: In,
  index: number,
  options: PackedOptions<In>
): Entry<In> => {
  const request = Compiled.toRequest(compiled, input, llm.model)
  const users = Result.isSuccess(request) ? request.success.messages.filter(({ role }) => role !== "system") : []
  const content = users.length === 1 && compiled.extraction.derivation === undefined ? users[0]!.content : undefined
  const text = typeof content === "string" ? content : undefined
  return {
    index,
    id: Result.getOrUndefined(Result.try(() => options.id?.(input, index))),
    input,
    text,
    tokens: text === undefined ? 0 : TokenCount.guessText(text)
  }
}

/** Adds an entry to a pack, and emits the pack if it is full. */
const fill = <In>(
  waiting: ReadonlyArray<Entry<In>>,
  entry: Entry<In>,
  { maxTokens = Infinity, perRequest = 10 }: PackedOptions<In>
): readonly [ReadonlyArray<Entry<In>>, ReadonlyArray<ReadonlyArray<Entry<In>>>] => {
  const limit = Math.max(1, Math.floor(perRequest) || 1)
  const tokens = waiting.reduce((sum, { tokens }) => sum + tokens, entry.tokens)
  if (waiting.length > 0 && tokens > maxTokens) return [[entry], [waiting]]
  const filled = [...waiting, entry]
  return filled.length >= limit ? [[], [filled]] : [filled, []]
}

/** Escapes what could be taken for the end of a text. */
const toPrompt = (entries: ReadonlyArray<Entry<unknown>>): string =>
  entries.map(({ text }, i) => `<text id="${i + 1}">\n${text!.replaceAll("</text", "<\\/text")}\n</text>`).join("\n\n")

const runPack = Effect.fnUntraced(function*<A, Input, R, In extends Input>(
  context: Context<A, Input, In, R>,
  entries: ReadonlyArray<Entry<In>>
): Effect.fn.Return<ReadonlyArray<Item<A, In>>, BatchError, Llm | R> {
  const { state } = context
  state.items += entries.length
  const texts = entries.filter(({ text }) => text !== undefined)
  const values = texts.length > 1 ? yield* unpack(context, texts) : new Map<Entry<In>, Answer<A>>()
  return yield* Effect.forEach(entries, (entry) => {
    const answer = values.get(entry)
    return answer?.value === undefined ? alone(context, entry, answer?.usage) : Effect.succeed(
      toItem(entry, Result.succeed(answer.value.json), 1, answer.usage, answer.millis)
    )
  })
})

interface Answer<out A> {
  /** `undefined` if there is none that can be relied on. */
  readonly value: { readonly json: A } | undefined
  /** The item's part of the usage of the pack. */
  readonly usage: Usage.Usage
  readonly millis: number
}

const toItem = <A, In>(
  { id, index, input }: Entry<In>,
  result: Result.Result<A, ExtractionError>,
  attempts: number,
  usage: Usage.Usage,
  millis: number
): Item<A, In> => ({ index, id, input, result, attempts, usage, latency: Duration.millis(millis), restored: false })

const alone = Effect.fnUntraced(function*<A, Input, R, In extends Input>(
  { llm, self, state }: Context<A, Input, In, R>,
  entry: Entry<In>,
  before: Usage.Usage = Usage.zero
): Effect.fn.Return<Item<A, In>, BatchError, R> {
  state.alone++
  const [duration, outcome] = yield* Effect.timed(Effect.result(Compiled.extract(self, llm, entry.input)))
  const { attempts, usage } = Result.merge(outcome)
  state.usage = Usage.add(state.usage, usage)
  state.saved -= before === Usage.zero ? 0 : before.inputTokens
  if (Result.isFailure(outcome) && outcome.failure.isUnrecoverable) return yield* unrecoverable(outcome.failure)
  const result = Result.map(outcome, ({ value }: Detailed<A>) => value)
  return toItem(entry, result, attempts, Usage.add(before, usage), Duration.toMillis(duration))
})

/** The values of a pack that belong to their texts beyond doubt. */
const unpack = Effect.fnUntraced(function*<A, Input, R, In extends Input>(
  { llm, self, state }: Context<A, Input, In, R>,
  entries: ReadonlyArray<Entry<In>>
): Effect.fn.Return<ReadonlyMap<Entry<In>, Answer<A>>, BatchError, Llm | R> {
  const element = elementOf(self) as unknown as Extraction<
    Packed<A>,
    string,
    R
  >
  const found = new Map<string, Array<ExtractionStream.Element<Packed<A>>>>()
  let usage = Usage.zero
  const streamed = ExtractionStream.elements(element, toPrompt(entries), {
    onEnd: (summary) => Effect.sync(() => usage = summary.usage)
  }).pipe(
    Stream.runForEach((one) =>
      Effect.sync(() => {
        const id = Result.isSuccess(one.result) ? one.result.success.id : undefined
        if (id !== undefined) found.set(id, [...(found.get(id) ?? []), one])
      })
    ),
    Effect.provideService(Llm, llm),
    Effect.result,
    Effect.timed
  )
  const [duration, outcome] = yield* streamed
  if (Result.isFailure(outcome)) {
    if (outcome.failure.isUnrecoverable) return yield* unrecoverable(outcome.failure)
    usage = outcome.failure.usage
  }
  state.packed++
  state.usage = Usage.add(state.usage, usage)
  state.saved += overhead(self, entries.length)
  const share = divide(usage, entries.length)
  const millis = Duration.toMillis(duration)
  const sources = entries.map(({ text }) => Grounding.make(text!))
  const values = new Map<Entry<In>, Answer<A>>()
  for (const [i, entry] of entries.entries()) {
    const [one, ...others] = found.get(String(i + 1)) ?? []
    const value = one !== undefined && others.length === 0
      ? yield* accept(self, one, i, sources)
      : undefined
    values.set(entry, { value, usage: share[i]!, millis })
  }
  return values
})

/** The value of an element, if it is valid, begins as its text does, and no other text states more of it. */
const accept = Effect.fnUntraced(function*<A, Input, R>(
  self: Extraction<A, Input, R>,
  { result, text }: ExtractionStream.Element<Packed<A>>,
  position: number,
  sources: ReadonlyArray<Grounding.Source>
): Effect.fn.Return<Answer<A>["value"], never, R> {
  if (Result.isFailure(result)) return undefined
  const { start } = result.success
  if (!beginsWith(sources[position]!.text, start)) return undefined
  const parsed = JsonText.parse(text)
  if (Option.isNone(parsed)) return undefined
  const json = Compiled.jsonOf(self, (parsed.value as { readonly value: Schema.Json }).value)
  const stated = sources.map((source) => statedIn(source, json))
  if (stated.some((count) => count > stated[position]!)) return undefined
  const decoded = yield* Effect.result(Parts.decode(self, json, () => sources[position]!.text))
  return Result.isSuccess(decoded) && Result.isSuccess(decoded.success)
    ? { json: decoded.success.success }
    : undefined
})

const statedIn = (source: Grounding.Source, json: Schema.Json): number =>
  Grounding.ground(source, json, { fuzzy: false }).filter(Grounding.isStated).length

const plain = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "")

/** An empty start is no proof, unless the text has no words either. */
const beginsWith = (text: string, start: string): boolean => {
  const [words, beginning] = [plain(start), plain(text)]
  return words === "" ? beginning === "" : beginning.startsWith(words)
}

/** The tokens that each further request would repeat: instructions and schema. */
const overhead = <A, Input, R>(self: Extraction<A, Input, R>, items: number): number => {
  const schema = Compiled.response(self)
  const size = TokenCount.guessText(self.instructions ?? defaultInstructions) +
    (Result.isSuccess(schema) ? TokenCount.guessText(JSON.stringify(schema.success.jsonSchema)) : 0)
  return size * (items - 1) - TokenCount.guessText(instructions) - 12 * items
}

/** A usage in equal parts, whose sum it is. */
const divide = (usage: Usage.Usage, count: number): ReadonlyArray<Usage.Usage> =>
  Arr.makeBy(count, (i) => {
    const part = (total: number): number => Math.floor(total * (i + 1) / count) - Math.floor(total * i / count)
    const entries = Object.entries<number>(usage).map((
      [key, total]
    ) => [key, key === "usd" ? total / count : part(total)])
    return Object.fromEntries(entries) as Usage.Usage
  })

/**
 * Extracts from several small texts in one request, so that they share the instructions and the schema. Use it for texts
 * that are shorter than what surrounds them in a request. Answers are matched by the id and the beginning of their text;
 * a text whose answer is missing, doubled, invalid, or stated by another text of the request is asked for again alone.
 * Items are emitted in the order of their inputs.
 *
 * **Example** (Three texts in one request)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Batch.packed(Schema.Struct({ name: Schema.String }), ["I am Ada", "I am Alan", "I am Grace"], {
 *   perRequest: 3
 * }).pipe(
 *   Stream.map(({ result }) => Result.isSuccess(result) ? result.success.name : "failed"),
 *   Stream.runCollect,
 *   Effect.provide(MockLlm.layer([{
 *     items: [
 *       { id: "1", start: "I am Ada", value: { name: "Ada" } },
 *       { id: "2", start: "I am Alan", value: { name: "Alan" } },
 *       { id: "3", start: "I am Grace", value: { name: "Grace" } }
 *     ]
 *   }]))
 * )
 *
 * await Effect.runPromise(program) // => ["Ada", "Alan", "Grace"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const packed: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: PackedOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: PackedOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: PackedOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2> =>
  run(Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {})
