/** Sends requests until an answer is valid or the extraction fails. */
import * as Effect from "effect/Effect"
import type { LlmError } from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import { withPriority } from "../../llm/Priority.ts"
import * as Usage from "../../llm/Usage.ts"
import { CurrentCacheControl } from "../../middleware/cache/CacheControl.ts"
import type { Compiled } from "../Compiled.ts"
import { ExtractionError, type Reason, TimedOut } from "../ExtractionError.ts"
import type { Detailed } from "./detailed.ts"
import { toReason } from "./failure.ts"
import * as PromptSize from "./promptSize.ts"
import * as Step from "./step.ts"
import * as Telemetry from "./telemetry.ts"

/** Attempts that another engine made before. */
export interface Before extends Step.Before {
  /** The request of the next attempt. */
  readonly request: LlmRequest
  readonly attempts: number
  readonly usage: Usage.Usage
}

export const run = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Telemetry.Completer<LlmError | Reason>,
  request: LlmRequest,
  source?: () => string,
  before?: Before
): Effect.Effect<Detailed<A>, ExtractionError, R> =>
  Effect.suspend(() => {
    const { cache, name, timeout } = compiled.extraction
    const spent: Telemetry.Spent = { attempts: before?.attempts ?? 0, usage: before?.usage ?? Usage.zero }
    const answers: Array<Effect.Effect<void>> = []
    const asked = Effect.provideService(
      ask(compiled, llm, request, spent, answers, source, before),
      CurrentCacheControl,
      {
        enabled: cache,
        onAnswer: (forget) => answers.push(forget)
      }
    )
    return Telemetry.extraction(
      name,
      spent,
      timeout === undefined ? asked : Effect.timeoutOrElse(asked, {
        duration: timeout,
        orElse: () => Effect.fail(failure(compiled, spent, new TimedOut({ after: timeout })))
      })
    )
  })

const failure = <A, Input, R>(
  { extraction }: Compiled<A, Input, R>,
  spent: Telemetry.Spent,
  reason: Reason
): ExtractionError => new ExtractionError({ extraction: extraction.name, reason, ...spent })

const ask = Effect.fnUntraced(function*<A, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Telemetry.Completer<LlmError | Reason>,
  first: LlmRequest,
  spent: Telemetry.Spent,
  answers: ReadonlyArray<Effect.Effect<void>>,
  source: (() => string) | undefined,
  before: Before | undefined
): Effect.fn.Return<Detailed<A>, ExtractionError, R> {
  let request = before?.request ?? first
  let progress: Step.Before = before ?? { invalid: [] }
  while (true) {
    const asked = Telemetry.complete(llm, request, spent.attempts + 1)
    // A reask goes before new items, so that started items finish first.
    const completion = yield* (spent.attempts === 0 ? asked : withPriority(asked, "high")).pipe(
      Effect.mapError((error) => failure(compiled, spent, toReason(error)))
    )
    spent.attempts++
    spent.usage = Usage.add(spent.usage, completion.usage)
    const cut = PromptSize.cut(request, completion)
    if (cut !== undefined) {
      for (const forget of answers) yield* forget
      return yield* failure(compiled, spent, cut)
    }
    const step = yield* Step.make(compiled, first, completion, progress, { spent, source })
    switch (step._tag) {
      case "Valid": {
        const { answer, coercions, completion, value } = step
        const { finishReason, model } = completion
        return { value, answer, coercions, ...spent, model, finishReason, completion }
      }
      case "Failed":
        // The cached answers are invalid. The next run must not get them again.
        if (step.reason._tag === "InvalidOutput") { for (const forget of answers) yield* forget }
        return yield* failure(compiled, spent, step.reason)
      case "Reask":
        request = step.request
        progress = step.before
    }
  }
})
