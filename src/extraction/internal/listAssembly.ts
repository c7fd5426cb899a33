/**
 * Assembles a list from streamed answers: the first one, and those to reasks, which contain corrected elements and the
 * rest of a list that broke off.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Answer from "../../answer/Answer.ts"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as Continuations from "../../answer/Continuation.ts"
import * as JsonText from "../../answer/JsonText.ts"
import * as ListReader from "../../answer/ListReader.ts"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { ResponseSchema } from "../../schema/ResponseSchema.ts"
import type { Compiled } from "../Compiled.ts"
import { InvalidOutput, type Reason } from "../ExtractionError.ts"
import * as Continuation from "./continuation.ts"
import * as Step from "./step.ts"

/** An element that did not decode. */
export interface Invalid {
  /** Its index in the list. */
  readonly index: number
  readonly text: string
  readonly issues: ReadonlyArray<AnswerIssue.AnswerIssue>
  /** Its position in the last answer, or `undefined` if that answer does not contain it. */
  readonly position: number | undefined
}

export interface Decoded<A> {
  readonly index: number
  readonly text: string
  readonly result: Result.Result<A, InvalidOutput>
}

export interface ListAssembly<A, Input, R> {
  readonly compiled: Compiled<ReadonlyArray<A>, Input, R>
  readonly element: ResponseSchema<A, R>
  /** The request without a reask. */
  readonly first: LlmRequest
  readonly maxAttempts: number
  /** Final elements that were not emitted yet. */
  out: Array<Decoded<A>>
  /** The elements to ask for again. */
  invalid: Array<Invalid>
  /** The index of the next new element. */
  size: number
  /** Whether the list may have more elements, because every answer so far broke off. */
  isOpen: boolean
  /** How many completions were the rest of an answer. */
  continuations: number
}

export const make = <A, Input, R>(
  options: Pick<ListAssembly<A, Input, R>, "compiled" | "element" | "first" | "maxAttempts">
): ListAssembly<A, Input, R> => ({ ...options, out: [], invalid: [], size: 0, isOpen: true, continuations: 0 })

/** An answer while it is being read. */
export interface Reading {
  readonly reader: ListReader.ListReader
  /** The elements that the answer should correct. It begins with them. */
  readonly asked: ReadonlyArray<Invalid>
  /** How many elements of the answer have got an index. */
  placed: number
  /** How many elements were skipped, because they are in the beginning of the answer. */
  skipped: number
  /** What arrived before it was joined to the beginning. */
  unjoined: string
  /** The index of the tool call that is read. */
  call: number | undefined
  /** The text that arrived. */
  text: string
  /** The elements that closed and are not decoded yet. */
  texts: Array<string>
  completion: Completion | undefined
  problem: string | undefined
  /** The answer that this one continues. */
  readonly rest: Rest | undefined
}

/** The beginning of an answer that was cut off. */
export interface Rest {
  readonly cut: Continuation.Cut
  /** How many of its elements have got an index. */
  readonly placed: number
  /** Whether what arrives continues it as it stands, without its end. */
  readonly isExact: boolean
}

/** The reading of an answer, or of the rest of one, whose elements so far are not read again. */
export const makeReading = (
  wrapper: string,
  limits: ListReader.Limits,
  { asked, rest }: { readonly asked: ReadonlyArray<Invalid>; readonly rest?: Rest | undefined }
): Reading => {
  const reading: Reading = { ...emptyReading(wrapper, limits, asked), rest }
  if (rest?.isExact === true) feed(reading, rest.cut.text)
  return reading
}

const emptyReading = (wrapper: string, limits: ListReader.Limits, asked: ReadonlyArray<Invalid>) => ({
  reader: new ListReader.ListReader(wrapper, limits),
  asked,
  placed: 0,
  call: undefined,
  text: "",
  texts: [],
  completion: undefined,
  problem: undefined,
  skipped: 0,
  unjoined: ""
})

/** Whether there is something to settle. Called for each piece of an answer, most of which close no element. */
export const isDue = ({ completion, reader, texts }: Reading): boolean =>
  texts.length > 0 || completion !== undefined || reader.exceeded !== undefined

/** Reads the parts that arrived together. */
export const read = <A, Input, R>(
  { compiled: { output } }: ListAssembly<A, Input, R>,
  reading: Reading,
  parts: ReadonlyArray<CompletionPart>
): void => {
  for (const part of parts) {
    if (reading.rest !== undefined) {
      readRest(reading, reading.rest, part)
      continue
    }
    if (part._tag === "Finish") {
      reading.completion = part.completion
      const { text } = Answer.read(part.completion, output)
      // A model may write text instead of calling a tool, and the other way round.
      if (reading.text === "" && part.completion.refusal === undefined) feed(reading, text)
      return
    }
    if ((part._tag === "TextDelta") === (output.mode === "tools")) continue
    if (part._tag === "ToolArgumentsDelta") {
      reading.call ??= part.index
      if (part.index !== reading.call) {
        reading.problem ??= "The answer calls the tool more than once; the elements are those of the first call"
        continue
      }
    }
    feed(reading, part.delta)
  }
}

/** Reads a part of the rest of an answer. It is fed once it is certain how it continues. */
const readRest = (reading: Reading, { cut, isExact }: Rest, part: CompletionPart): void => {
  if (part._tag === "Finish") reading.completion = part.completion
  else if (part._tag === "TextDelta") {
    if (isExact || reading.text !== "") return feed(reading, part.delta)
    reading.unjoined += part.delta
    const joined = Continuations.join(cut.text, reading.unjoined)
    if (joined !== undefined) feed(reading, joined)
  }
}

const feed = (reading: Reading, delta: string): void => {
  reading.text += delta
  reading.reader.feed(delta, reading.texts)
}

/** Decodes the elements that closed. */
export const settle = Effect.fnUntraced(function*<A, Input, R>(
  list: ListAssembly<A, Input, R>,
  reading: Reading
): Effect.fn.Return<void, never, R> {
  const { texts } = reading
  reading.texts = []
  for (const text of texts) {
    if (reading.skipped < (reading.rest?.placed ?? 0)) {
      reading.skipped++
      continue
    }
    const position = reading.placed + (reading.rest?.placed ?? 0)
    const index = place(list, reading)
    if (index === undefined) return
    const decoded = yield* decode(list, text)
    if (Result.isSuccess(decoded)) {
      list.out.push({ index, text, result: Result.succeed(decoded.success) })
    } else if (list.maxAttempts > 1) {
      list.invalid.push({ index, text, issues: decoded.failure, position })
    } else {
      list.out.push(failed({ index, text, issues: decoded.failure }))
    }
  }
})

/** The index in the list for the next element of an answer. */
const place = (list: { size: number; readonly isOpen: boolean }, reading: Reading): number | undefined => {
  const asked = reading.asked[reading.placed++]
  if (asked !== undefined) return asked.index
  if (list.isOpen) return list.size++
  reading.problem ??= `The answer has more elements than the ${reading.asked.length} that were asked for`
  return undefined
}

const failed = ({ index, issues, text }: Pick<Invalid, "index" | "issues" | "text">): Decoded<never> => ({
  index,
  text,
  result: Result.fail(
    new InvalidOutput({
      attempts: [{ text, issues: issues.map(({ message, path }) => ({ message, path: [index, ...path] })) }]
    })
  )
})

const decode = <A, Input, R>(
  { compiled: { extraction }, element }: ListAssembly<A, Input, R>,
  text: string
): Effect.Effect<Result.Result<A, ReadonlyArray<AnswerIssue.AnswerIssue>>, never, R> => {
  const [json] = JsonText.candidates(text)
  if (json === undefined) return Effect.succeed(Result.fail([{ path: [], message: "Expected a JSON value" }]))
  return Effect.match(element.decode(element.readElement(json, extraction.coerce)), {
    onSuccess: Result.succeed,
    onFailure: (issue) => Result.fail(AnswerIssue.fromSchemaIssue(issue))
  })
}

/** The consequence of an answer that has ended. */
export type Conclusion =
  | { readonly _tag: "Complete" }
  | { readonly _tag: "Failed"; readonly reason: Reason }
  | {
    readonly _tag: "Reask"
    readonly request: LlmRequest
    readonly asked: ReadonlyArray<Invalid>
    readonly rest?: Rest | undefined
  }

/** Ends an answer. `attempts` is the number of answers so far. */
export const conclude = <A, Input, R>(
  list: ListAssembly<A, Input, R>,
  reading: Reading,
  received: Completion,
  attempts: number
): Conclusion => {
  const { compiled, first, maxAttempts } = list
  const { rest } = reading
  const completion = rest === undefined ? received : Continuation.join(compiled, first, rest.cut, received)
  if (completion === undefined) {
    return { _tag: "Failed", reason: Step.truncated(rest!.cut.text, first.parameters, rest!.cut.continuations) }
  }
  const continued = continuedBy(list, reading, completion)
  if (continued !== undefined) return continued
  const problem = reading.problem ?? reading.reader.end()
  // The answer does not contain these elements.
  giveBack(list, reading, undefined)
  const answer = Answer.read(completion, compiled.output)
  if (answer._tag !== "Complete" && (answer._tag !== "Truncated" || problem !== undefined)) {
    return { _tag: "Failed", reason: Step.failureOf(answer, first.parameters) }
  }
  list.isOpen = list.isOpen && problem !== undefined
  const isContradictory = reading.problem !== undefined || reading.reader.isContradictory
  if (
    list.invalid.length === 0 && problem === undefined || isContradictory ||
    attempts - list.continuations >= maxAttempts
  ) {
    return problem === undefined
      ? { _tag: "Complete" }
      : {
        _tag: "Failed",
        reason: new InvalidOutput({ attempts: [{ text: answer.text, issues: [{ path: [], message: problem }] }] })
      }
  }
  const asked = list.invalid
  list.invalid = []
  const issues = [
    ...asked.flatMap(issuesOf),
    ...(problem === undefined ? [] : [{ path: [], message: problem }])
  ]
  const instruction = missingAgain(asked.length, list.isOpen)
  return { _tag: "Reask", request: Step.reask(compiled, first, completion, issues, instruction), asked }
}

/** Asks for the rest of an answer that was cut off within its list. */
const continuedBy = <A, Input, R>(
  list: ListAssembly<A, Input, R>,
  reading: Reading,
  completion: Completion
): Conclusion | undefined => {
  const { compiled, first } = list
  const { asked, placed, problem, reader, rest, text } = reading
  if (completion.finishReason !== "length" || completion.refusal !== undefined) return undefined
  if (problem !== undefined || reader.isContradictory || reader.end() === undefined) return undefined
  const cut = Continuation.next(compiled, text, completion, rest?.cut)
  if (cut === undefined) return undefined
  list.continuations++
  return {
    _tag: "Reask",
    request: Continuation.request(compiled, first, cut),
    asked: asked.slice(placed),
    rest: { cut, placed: placed + (rest?.placed ?? 0), isExact: Continuation.goesOn(compiled, first) }
  }
}

/** Returns the elements that the answer should have corrected and did not contain to the invalid ones. */
const giveBack = <A, Input, R>(
  list: ListAssembly<A, Input, R>,
  { asked, placed }: Reading,
  position: number | undefined
): void => {
  const unanswered = asked.slice(placed).map((one) => ({ ...one, position }))
  list.invalid = [...list.invalid, ...unanswered].toSorted((a, b) => a.index - b.index)
}

/** Makes the elements that are still invalid final, as failures. */
export const giveUp = <A, Input, R>(list: ListAssembly<A, Input, R>, reading?: Reading): void => {
  if (reading !== undefined) giveBack(list, reading, undefined)
  for (const one of list.invalid) list.out.push(failed(one))
  list.invalid = []
}

const issuesOf = ({ issues, position, text }: Invalid): ReadonlyArray<AnswerIssue.AnswerIssue> =>
  position === undefined
    ? [{ path: [], message: `The corrected form of this element is missing: ${text}` }]
    : issues.map(({ message, path }) => ({ message, path: [position, ...path] }))

const missingAgain = (corrected: number, isOpen: boolean): string => {
  const which = [
    ...(corrected === 0
      ? []
      : [
        corrected === 1
          ? "the element named above, corrected"
          : `the ${corrected} elements named above, corrected and in this order`
      ]),
    ...(isOpen ? ["the elements that are still missing from the list"] : [])
  ].join(", then ")
  return `Answer again in the same form, with a list that contains only ${which}.`
}
