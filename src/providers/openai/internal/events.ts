/**
 * The server-sent events of a streamed answer.
 *
 * Written by hand because reading events is most of the cost of a stream: the SDK's reader takes several times as long
 * for each event and emits them one by one, and `effect/encoding/Sse` inspects every character. Here the bytes of one
 * read are split at their line ends, and all their parts are emitted together.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { APIError } from "openai"
import type { CompletionPart } from "../../../llm/Completion.ts"
import type { LlmError } from "../../../llm/LlmError.ts"
import { errorIn } from "./completion.ts"
import type { Collector } from "./stream.ts"
import * as Template from "./template.ts"

/** The most characters in a line, which is much more than a whole answer in one event has. */
const maxLine = 64 * 1024 * 1024

/** The parts of each read. The parts that arrived before a failure are emitted before it. */
export const readParts = (
  response: Response,
  collector: Collector,
  onError: (cause: unknown) => LlmError
): Stream.Stream<CompletionPart, LlmError> => {
  const { body } = response
  if (body === null) return Stream.empty
  const decoder = new TextDecoder()
  const template = Template.make()
  let parts: Array<CompletionPart> = []
  let ended = false
  let failure: LlmError | undefined

  const onEvent = (name: string, text: string): void => {
    if (text === "[DONE]") {
      ended = true
      return
    }
    const piece = name === "" ? template.match(text) : undefined
    if (piece !== undefined) {
      collector.append(piece, parts)
      return
    }
    const data = Result.try((): unknown => JSON.parse(text))
    if (Result.isFailure(data)) {
      failure = onError(data.failure)
      return
    }
    const error = errorIn(data.success, name === "error")
    if (error !== undefined) failure = onError(new APIError(undefined, error, undefined, response.headers))
    else {
      collector.add(data.success, parts)
      template.learn(text, data.success)
    }
  }

  // The line that has not ended yet, in the pieces that arrived, and the event that has not ended yet.
  let pieces: Array<string> = []
  let length = 0
  let name = ""
  let data: string | undefined

  const onLine = (line: string): void => {
    if (line === "") {
      if (data !== undefined) onEvent(name, data)
      name = ""
      data = undefined
    } else if (line.startsWith("data:")) {
      const value = line.slice(line[5] === " " ? 6 : 5)
      data = data === undefined ? value : `${data}\n${value}`
    } else if (line.startsWith("event:")) name = line.slice(6).trim()
  }

  const feed = (chunk: string): void => {
    // A line may also end in CR LF or CR. After a CR at the end of a chunk the LF may follow in the next one.
    const text = chunk.includes("\r") || pieces.at(-1)?.endsWith("\r") === true ? unix(pieces, chunk) : chunk
    let at = 0
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", at)) {
      if (ended || failure !== undefined) return
      const line = text.slice(at, end)
      if (pieces.length === 0) onLine(line)
      else {
        onLine(pieces.join("") + line)
        pieces = []
        length = 0
      }
      at = end + 1
    }
    if (at === text.length) return
    pieces.push(text.slice(at))
    length += text.length - at
    if (length > maxLine) failure ??= onError(new Error("an event of the stream is too large"))
  }

  const chunks = Stream.fromReadableStream({ evaluate: () => body, onError })
  return Stream.transformPull(chunks, (pull) => {
    const next: Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, LlmError> = Effect.suspend(() => {
      if (failure !== undefined) return Effect.fail(failure)
      return ended ? Cause.done() : Effect.flatMap(pull, take)
    })
    const take = (chunks: ReadonlyArray<Uint8Array>): typeof next => {
      for (const chunk of chunks) feed(decoder.decode(chunk, { stream: true }))
      if (!Arr.isArrayNonEmpty(parts)) return next
      const out = parts
      parts = []
      return Effect.succeed(out)
    }
    return Effect.succeed(next)
  })
}

/** A chunk with LF as its only line end. A CR at its very end is kept, because it may be half of a CR LF. */
const unix = (pieces: Array<string>, chunk: string): string => {
  const last = pieces.at(-1)
  let text = chunk
  if (last?.endsWith("\r") === true) {
    pieces[pieces.length - 1] = last.slice(0, -1)
    text = `\r${chunk}`
  }
  const held = text.endsWith("\r") ? text.slice(0, -1) : text
  const out = held.replace(/\r\n?/g, "\n")
  return held === text ? out : `${out}\r`
}
