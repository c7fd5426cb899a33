/** Works on a batch: answers the lines of its input file, in another order, into an output and an error file. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as ByteLines from "../../../internal/byteLines.ts"
import type * as Fault from "../../Fault.ts"
import * as Reply from "../../Reply.ts"
import type { BatchOptions, Options } from "../OpenAiSimulator.ts"
import * as Answering from "./answering.ts"
import * as ChatRequest from "./chatRequest.ts"
import { refuse } from "./refusal.ts"
import * as Wire from "./wire.ts"

export interface Row {
  readonly id: string
  readonly chat: ChatRequest.ChatRequest
}

const decoder = new TextDecoder()

const linesOf = (path: string): Stream.Stream<string> =>
  Stream.suspend(() => {
    const lines = ByteLines.make()
    const push = (chunk: Uint8Array): Array<string> => {
      const found: Array<string> = []
      lines.push(chunk, (bytes, start, end) => {
        if (end > start) found.push(decoder.decode(bytes.subarray(start, end)))
      })
      return found
    }
    return Stream.concat(
      Stream.flattenIterable(
        Stream.map(Stream.orDie(Stream.fromAsyncIterable(Fs.createReadStream(path), (cause) => cause)), push)
      ),
      Stream.suspend(() => {
        const rest = lines.rest()
        return rest.length === 0 ? Stream.empty : Stream.succeed(decoder.decode(rest))
      })
    )
  })

/** The rows of an input file, or what is wrong with one of its lines. */
export const rows = (
  path: string
): Stream.Stream<Result.Result<Row, { readonly code: string; readonly message: string; readonly line: number }>> => {
  const seen = new Set<string>()
  let line = 0
  return Stream.map(linesOf(path), (text) => {
    line++
    const fail = (code: string, message: string) => Result.fail({ code, message, line })
    const parsed = Result.try(() => JSON.parse(text) as unknown)
    if (Result.isFailure(parsed) || !Predicate.isObject(parsed.success)) {
      return fail("invalid_json_line", "This line is not parseable as valid JSON.")
    }
    const { body, custom_id: id, method, url } = parsed.success
    if (!Predicate.isString(id) || id === "") return fail("missing_required_parameter", "Missing 'custom_id'.")
    if (seen.has(id)) return fail("duplicate_custom_id", `The custom_id for this request is a duplicate: ${id}.`)
    seen.add(id)
    if (method !== "POST") return fail("invalid_method", "The method must be 'POST'.")
    if (url !== "/v1/chat/completions") return fail("invalid_url", "The URL does not match the endpoint of the batch.")
    const chat = ChatRequest.read(JSON.stringify(body), line - 1)
    return typeof chat === "string" ? fail("invalid_request", chat) : Result.succeed({ id, chat })
  })
}

/** Lines that are written in the reverse order. */
const shuffled = 512

interface Written {
  completed: number
  failed: number
}

interface Paths {
  readonly input: string
  readonly output: string
  readonly errors: string
}

/** Answers the first rows, and reports the others as `rest`. */
export const answer = Effect.fnUntraced(function*(
  paths: Paths,
  options: Options & { readonly batches: BatchOptions },
  { answered, nowMillis, rest }: {
    readonly answered: number
    readonly nowMillis: number
    readonly rest: "batch_expired" | "batch_cancelled" | undefined
  }
) {
  const reply = Answering.make(options)
  const counts: Written = { completed: 0, failed: 0 }
  const outputs = { [paths.output]: [] as Array<string>, [paths.errors]: [] as Array<string> }
  const flush = (path: string): void => {
    if (outputs[path]!.length > 0) Fs.appendFileSync(path, outputs[path]!.toReversed().join(""))
    outputs[path] = []
  }
  const write = (path: string, text: string): void => {
    if (outputs[path]!.push(text) >= shuffled) flush(path)
  }
  const result = (id: string, response: unknown, error: unknown): string =>
    `${JSON.stringify({ id: `batch_req_${id}`, custom_id: id, response, error })}\n`
  const failed = (id: string, response: unknown, error: unknown): void => {
    counts.failed++
    write(paths.errors, result(id, response, error))
  }
  const response = (status: number, body: unknown) => ({ status_code: status, request_id: "req_simulated", body })

  let position = 0
  yield* Stream.runForEach(rows(paths.input), (row) =>
    Effect.gen(function*() {
      if (Result.isFailure(row)) return
      const { chat, id } = row.success
      if (position++ >= answered) {
        if (rest !== undefined) {
          failed(id, null, { code: rest, message: "This request could not be executed before the batch ended." })
        }
        return
      }
      const trap = options.batches.row?.(chat.simulated)
      if (trap === "lost") return
      if (trap === "expired" || trap === "cancelled") return failed(id, null, { code: `batch_${trap}`, message: trap })
      if (trap === "status 0") return failed(id, response(0, null), null)
      if (trap === "not JSON") return write(paths.output, `{"custom_id":"${id}","response":{"status_co\n`)
      const outcome = refuse(chat, undefined, { models: options.models }) ?? (yield* reply(chat))
      if (Reply.isReply(outcome)) {
        counts.completed++
        const text = result(id, response(200, Wire.toCompletion(toAnswer(chat, outcome, nowMillis))), null)
        write(paths.output, trap === "twice" ? text + text : text)
      } else {
        failed(id, outcome._tag === "Respond" ? response(outcome.status, bodyOf(outcome)) : response(500, null), null)
      }
    }))
  flush(paths.output)
  flush(paths.errors)
  return counts
})

const bodyOf = ({ body }: Fault.Respond): unknown =>
  Result.getOrElse(Result.try(() => JSON.parse(body) as unknown), () => body)

const toAnswer = (chat: ChatRequest.ChatRequest, reply: Reply.Reply, nowMillis: number): Wire.Answer => ({
  id: `chatcmpl-${chat.simulated.index}`,
  model: chat.simulated.model,
  created: Math.floor(nowMillis / 1000),
  reply,
  tool: reply.refusal === undefined ? chat.tool : undefined,
  choices: chat.choices,
  usage: {
    prompt: reply.usage?.inputTokens ?? chat.promptTokens,
    cached: reply.usage?.cachedInputTokens ?? 0,
    completion: reply.usage?.outputTokens ?? chat.choices * Reply.estimateTokens(reply.refusal ?? reply.text),
    reasoning: reply.usage?.reasoningTokens ?? 0
  }
})
