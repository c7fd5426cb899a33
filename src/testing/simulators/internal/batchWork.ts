/** Works on a batch: answers the lines of its input file, in another order, into an output and an error file. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as ByteLines from "../../../internal/byteLines.ts"
import * as Fault from "../../Fault.ts"
import * as Reply from "../../Reply.ts"
import type { BatchOptions, Options } from "../OpenAiSimulator.ts"
import * as Answering from "./answering.ts"
import type { Format, Outcome, Problem, Row } from "./batchFormat.ts"
import * as Responses from "./responses.ts"

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
  path: string,
  format: Format,
  model: string | null
): Stream.Stream<Result.Result<Row, Problem & { readonly line: number }>> => {
  const seen = new Set<string>()
  let line = 0
  return Stream.map(linesOf(path), (text) => {
    line++
    const fail = (code: string, message: string) => Result.fail({ code, message, line })
    const parsed = Result.try(() => JSON.parse(text) as unknown)
    if (Result.isFailure(parsed) || !Predicate.isObject(parsed.success)) {
      return fail("invalid_json_line", "This line is not parseable as valid JSON.")
    }
    const row = format.read(parsed.success, line - 1, model)
    if ("code" in row) return fail(row.code, row.message)
    if (seen.has(row.id)) {
      return fail("duplicate_custom_id", `The custom_id for this request is a duplicate: ${row.id}.`)
    }
    seen.add(row.id)
    return Result.succeed(row)
  })
}

/** Lines that are written in the reverse order. */
const shuffled = 512

interface Paths {
  readonly input: string
  readonly output: string
  readonly errors: string
}

interface Task {
  readonly model: string | null
  readonly answered: number
  readonly nowMillis: number
  /** What becomes of the rows that are not answered. Without it they have no result. */
  readonly rest: "Expired" | "Cancelled" | "Failed" | undefined
}

/** Answers the first rows, and reports the others as `rest`. */
export const answer = Effect.fnUntraced(function*(
  paths: Paths,
  options: Options & { readonly batches: BatchOptions },
  format: Format,
  { answered, model, nowMillis, rest }: Task
) {
  const reply = Answering.make(options)
  const { speaker } = format
  const counts = { completed: 0, failed: 0, expired: 0, cancelled: 0 }
  const outputs = { [paths.output]: [] as Array<string>, [paths.errors]: [] as Array<string> }
  const flush = (path: string): void => {
    if (outputs[path]!.length > 0) Fs.appendFileSync(path, outputs[path]!.toReversed().join(""))
    outputs[path] = []
  }
  const write = (path: string, text: string): void => {
    if (outputs[path]!.push(text) >= shuffled) flush(path)
  }
  const writeRow = (id: string, outcome: Outcome, times = 1): void => {
    const isAnswer = outcome._tag === "Answer"
    counts[isAnswer ? "completed" : "failed"]++
    if (outcome._tag === "Expired") counts.expired++
    if (outcome._tag === "Cancelled") counts.cancelled++
    const text = `${JSON.stringify(format.write(id, outcome))}\n`
    write(isAnswer || !format.hasErrorFile ? paths.output : paths.errors, text.repeat(times))
  }
  const failed = (id: string, fault: Fault.Respond): void =>
    writeRow(id, { _tag: "Fault", fault: speaker.toFault(fault) })

  let position = 0
  yield* Stream.runForEach(rows(paths.input, format, model), (row) =>
    Effect.gen(function*() {
      if (Result.isFailure(row)) return
      const { chat, id } = row.success
      if (position++ >= answered) {
        if (rest === "Failed") failed(id, broken)
        else if (rest !== undefined) writeRow(id, { _tag: rest })
        return
      }
      if (Predicate.isString(chat)) return failed(id, Fault.error(400, { message: chat }))
      const trap = options.batches.row?.(chat.simulated)
      if (trap === "lost") return
      if (trap === "expired") return writeRow(id, { _tag: "Expired" })
      if (trap === "cancelled") return writeRow(id, { _tag: "Cancelled" })
      if (trap === "status 0") return writeRow(id, { _tag: "NoStatus" })
      if (trap === "not JSON") return write(paths.output, `{"custom_id":"${id}","key":"${id}","response":{"status_co\n`)
      const outcome = speaker.refuse(chat, format.headers, { models: options.models }) ?? (yield* reply(chat))
      if (Reply.isReply(outcome)) {
        const body = speaker.toBody(Responses.toAnswer({ chat, nowMillis }, outcome, speaker))
        writeRow(id, { _tag: "Answer", body }, trap === "twice" ? 2 : 1)
      } else failed(id, outcome._tag === "Respond" ? outcome : broken)
    }))
  flush(paths.output)
  flush(paths.errors)
  return counts
})

const broken = Fault.error(500, { message: "The server had an error while processing your request." })
