/** The `Llm` of a command, from the environment and its flags. */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Llm from "../../llm/Llm.ts"
import * as LlmBudget from "../../middleware/budget/LlmBudget.ts"
import * as LlmCache from "../../middleware/cache/LlmCache.ts"
import * as LlmGovernor from "../../middleware/governor/LlmGovernor.ts"
import * as NodeLlmCache from "../../node/NodeLlmCache.ts"
import * as NodeTransport from "../../node/NodeTransport.ts"
import * as OpenAi from "../../providers/openai/OpenAi.ts"
import { Transport } from "../../transport/Transport.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface Options {
  readonly baseUrl: string | undefined
  readonly requestTimeout?: Duration.Duration | undefined
  readonly giveUpAfter?: Duration.Duration | undefined
  readonly maxServerDelay?: Duration.Duration | undefined
  /** Whether requests will be sent. */
  readonly sends: boolean
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  readonly cache?: string | undefined
  readonly budgetUsd?: number | undefined
  readonly budgetTokens?: number | undefined
}

const nonEmpty = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((value) => value.trim() !== "")),
    Config.map(Option.getOrUndefined)
  )

export const layer = (
  options: Options
): Layer.Layer<Llm.Llm, CommandFailure> =>
  Llm.stack({
    provider: provider(options),
    budget: options.budgetUsd === undefined && options.budgetTokens === undefined
      ? undefined
      : LlmBudget.layer({ usd: options.budgetUsd, tokens: options.budgetTokens }),
    governor: LlmGovernor.layer({
      requestsPerMinute: options.rpm,
      tokensPerMinute: options.tpm,
      giveUpAfter: options.giveUpAfter,
      maxServerDelay: options.maxServerDelay
    }),
    cache: options.cache === undefined
      ? undefined
      : LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: options.cache }) })
  })

const provider = (
  { baseUrl: baseUrlFlag, requestTimeout, sends }: Options
): Layer.Layer<Llm.Llm, CommandFailure> =>
  Layer.unwrap(
    Effect.gen(function*() {
      const apiKey = yield* nonEmpty("OPENAI_API_KEY")
      const baseUrl = baseUrlFlag ?? (yield* nonEmpty("OPENAI_BASE_URL"))
      const model = yield* nonEmpty("OPENAI_MODEL")
      if (sends && apiKey === undefined && baseUrl === undefined) {
        return yield* usage(
          "No model is configured. Set OPENAI_API_KEY or, for a server of your own, OPENAI_BASE_URL or --base-url"
        )
      }
      const transport = yield* NodeTransport.make()
      return OpenAi.layerProvider({
        apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey),
        baseUrl,
        model,
        requestTimeout
      }).pipe(Layer.provide(Layer.succeed(Transport, transport)))
    }).pipe(Effect.catchTag("ConfigError", (error) => Effect.fail(usage(error.message))))
  )
