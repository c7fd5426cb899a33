/** Extracts from one text, and says what it waits for. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Batch from "../../batch/Batch.ts"
import * as BatchProgress from "../../batch/BatchProgress.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import { Llm } from "../../llm/Llm.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"
import * as Waiting from "../progress/waiting.ts"

export const extract = (
  extraction: AnyExtraction,
  text: string
): Effect.Effect<Result.Result<unknown, ExtractionError>, never, Llm> =>
  Effect.scoped(Effect.gen(function*() {
    const { origin, provider } = yield* Llm
    const progress = yield* BatchProgress.make
    const silence = Waiting.makeSilence(origin === "" ? provider : origin)
    let shown = ""
    let shownAt = 0
    let second = 0
    const show = Effect.flatMap(progress.snapshot, (snapshot) => {
      second++
      const state = snapshot.waiting === undefined
        ? silence(snapshot)
        : Waiting.waitsFor({ ...snapshot.waiting, count: 1 })
      if (state === undefined) return Effect.void
      // The reason changes at once, and the time that is left of it every few seconds.
      const reason = state.replace(/[\d.,]+(?:ms|[smh])/g, "")
      if (reason === shown && second - shownAt < 10) return Effect.void
      shown = reason
      shownAt = second
      return Console.error(state.replace(/^1 /, ""))
    })
    yield* Effect.forkScoped(Effect.delay(Effect.repeat(show, Schedule.spaced("1 second")), "800 millis"))
    const [result] = yield* Batch.results(extraction, [text], { progress })
    return result!
  }))
