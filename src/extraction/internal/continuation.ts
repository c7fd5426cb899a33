/** Asks for the rest of an answer that was cut off at the token limit. */
import * as Schema from "effect/Schema"
import * as Answer from "../../answer/Answer.ts"
import * as Continuation from "../../answer/Continuation.ts"
import type { Completion } from "../../llm/Completion.ts"
import type { JsonFormat, LlmRequest } from "../../llm/LlmRequest.ts"
import * as Usage from "../../llm/Usage.ts"
import * as Messages from "../../prompt/Messages.ts"
import type { Compiled } from "../Compiled.ts"

/** The schema of an answer whose rest is asked for. Offline batches record it. */
export const Cut = Schema.Struct({
  /** The part to continue from. */
  text: Schema.String,
  /** How many times a rest was asked for. */
  continuations: Schema.Natural,
  /** The usage of all of its parts. */
  usage: Usage.Usage
})

export interface Cut extends Schema.Schema.Type<typeof Cut> {}

/** The next state of an answer that was cut off, or `undefined` if its rest is not asked for. */
export const next = <A, Input, R>(
  { extraction }: Compiled<A, Input, R>,
  text: string,
  { usage }: Completion,
  before: Cut | undefined
): Cut | undefined => {
  const continuations = (before?.continuations ?? 0) + 1
  if (continuations > extraction.maxContinuations) return undefined
  const kept = Continuation.kept(text)
  return kept === undefined ? undefined : { text: kept, continuations, usage }
}

/** Whether the model goes on with its own words if they are the last message. Models that think first do not. */
export const goesOn = <A, Input, R>({ continues }: Compiled<A, Input, R>, { model, parameters }: LlmRequest): boolean =>
  parameters.reasoningEffort === undefined && parameters.extra?.["thinking"] === undefined &&
  continues?.(model) === true

/** The first request with the answer so far. The rest is not JSON by itself, so that no mode can enforce its form. */
export const request = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  { text }: Cut
): LlmRequest => ({
  ...first,
  output: { mode: "text" },
  messages: Messages.continuation(first.messages, text, {
    output: compiled.output,
    shown: compiled.shown,
    anchor: goesOn(compiled, first) ? undefined : Continuation.anchorOf(text)
  })
})

/** The completion with the whole answer, or `undefined` if the two parts do not fit together. */
export const join = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  cut: Cut,
  completion: Completion
): Completion | undefined => {
  const rest = Answer.read(completion, compiled.output)
  if (rest._tag === "Refused" || rest._tag === "Filtered") return completion
  const text = goesOn(compiled, first) ? cut.text + rest.text : Continuation.join(cut.text, rest.text)
  if (text === undefined) return undefined
  return { ...inFormOf(compiled.output, completion, text), usage: Usage.add(cut.usage, completion.usage) }
}

/** A completion with a text that was put together, as an answer in the mode. */
export const inFormOf = ({ mode, name }: JsonFormat, completion: Completion, text: string): Completion => {
  // Its own data belongs to a text that is no message of a next request.
  const { logprobs: _, providerData: __, ...others } = completion
  return {
    ...others,
    ...(mode === "tools" ? { text: "", toolCalls: [{ id: callId, name, arguments: text }] } : { text, toolCalls: [] })
  }
}

/** Nine letters, because a provider accepts no other ids. */
const callId = "continued"
