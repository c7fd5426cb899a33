/** The model that a command asks: the environment's, unless a flag says otherwise. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Llm from "../../llm/Llm.ts"
import * as LlmBudget from "../../middleware/budget/LlmBudget.ts"
import * as LlmCache from "../../middleware/cache/LlmCache.ts"
import * as NodeFetch from "../../node/transport/NodeFetch.ts"
import * as NodeLlmCache from "../../node/NodeLlmCache.ts"
import * as OpenAi from "../../providers/openai/OpenAi.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface Options {
  readonly baseUrl: string | undefined
  /** Whether anything is going to be sent. */
  readonly isUsed: boolean
  /** Requests and tokens a minute. */
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  /** The file answers are kept in. */
  readonly cache?: string | undefined
  readonly budgetUsd?: number | undefined
  readonly budgetTokens?: number | undefined
}

const nonEmpty = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((value) => value.trim() !== "")),
    Config.map(Option.getOrUndefined)
  )

/** What stands between the commands, which only need an `Llm`, and the network: a cache, a budget, and a governor. */
export const layer = (options: Options): Layer.Layer<Llm.Llm, CommandFailure> => {
  const { budgetTokens: tokens, budgetUsd: usd, cache } = options
  const provider = providerOf(options)
  const budgeted = usd === undefined && tokens === undefined
    ? provider
    : LlmBudget.layer({ usd, tokens }).pipe(Layer.provide(provider))
  return cache === undefined
    ? budgeted
    : LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: cache }) }).pipe(Layer.provide(budgeted))
}

const providerOf = (options: Options): Layer.Layer<Llm.Llm, CommandFailure> =>
  Layer.unwrap(
    Effect.gen(function*() {
      const apiKey = yield* nonEmpty("OPENAI_API_KEY")
      const baseUrl = options.baseUrl ?? (yield* nonEmpty("OPENAI_BASE_URL"))
      const model = yield* nonEmpty("OPENAI_MODEL")
      if (options.isUsed && apiKey === undefined && baseUrl === undefined) {
        return yield* usage(
          "There is no model to ask: set OPENAI_API_KEY or, for a server of your own, OPENAI_BASE_URL or --base-url"
        )
      }
      const fetch = yield* NodeFetch.make()
      return OpenAi.layer({
        apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey),
        baseUrl,
        model,
        governor: { requestsPerMinute: options.rpm, tokensPerMinute: options.tpm }
      }).pipe(Layer.provide(Layer.succeed(Fetch, fetch)))
    }).pipe(Effect.catchTag("ConfigError", (error) => Effect.fail(usage(error.message))))
  )
