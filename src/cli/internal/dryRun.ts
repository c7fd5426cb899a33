/** What a run would send, without sending it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Compiled from "../../internal/compiled.ts"
import { Llm } from "../../llm/Llm.ts"
import { toBody } from "../../openai/internal/request.ts"
import * as Asked from "./asked.ts"
import { usage } from "./commandFailure.ts"
import * as InputSource from "./inputSource.ts"
import type * as RunBatch from "./runBatch.ts"
import * as StandardOutput from "./standardOutput.ts"
import * as Words from "./words.ts"

/** Prints the first request as JSON, and what all of them together come to. */
export const run = Effect.fnUntraced(function*(options: RunBatch.Options) {
  const extraction = yield* Asked.load(options)
  const compiled = yield* Effect.mapError(
    Effect.fromResult(Compiled.make(extraction)),
    ({ reason }) => usage(reason.message)
  )
  const { model } = yield* Llm
  const { rows } = yield* InputSource.open({
    path: options.input,
    fields: { text: options.textField, id: options.idField },
    limit: options.limit
  })
  let requests = 0
  let unusable = 0
  let tokens = 0
  let overhead = 0
  yield* Stream.runForEach(
    rows,
    Effect.fnUntraced(function*(row) {
      if (row._tag === "Unusable") {
        unusable++
        return
      }
      if (requests === 0) {
        const request = Result.flatMap(Compiled.toRequest(compiled, row.text, model), toBody)
        if (Result.isFailure(request)) return yield* usage(request.failure.message)
        yield* StandardOutput.write(`${JSON.stringify(request.success, null, 2)}\n`)
        overhead = tokensOf(JSON.stringify(request.success)) - tokensOf(row.text)
      }
      requests++
      tokens += tokensOf(row.text) + overhead
    })
  )
  const cannot = unusable === 0 ? "" : `, and ${Words.count(unusable)} inputs that cannot be sent`
  yield* Console.error(
    `${Words.count(requests)} requests with about ${Words.count(Math.round(tokens))} tokens${cannot}. ` +
      `Answers and repeated attempts come on top. Nothing was sent`
  )
})

/** Four bytes a token: a rule of thumb, for any language. */
const tokensOf = (text: string): number => Buffer.byteLength(text) / 4
