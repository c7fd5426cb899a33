/** The model that a command asks: the environment's, unless a flag says otherwise. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Llm from "../../llm/Llm.ts"
import * as OpenAi from "../../openai/OpenAi.ts"
import { type CommandFailure, usage } from "./commandFailure.ts"

export interface Options {
  readonly baseUrl: string | undefined
  /** Whether anything is going to be sent. */
  readonly isUsed: boolean
}

const nonEmpty = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((value) => value.trim() !== "")),
    Config.map(Option.getOrUndefined)
  )

/** Rate limits and budgets belong here: between the commands, which only need an `Llm`, and the provider. */
export const layer = (options: Options): Layer.Layer<Llm.Llm, CommandFailure> =>
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
      return OpenAi.layer({ apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey), baseUrl, model })
    }).pipe(Effect.catchTag("ConfigError", (error) => Effect.fail(usage(error.message))))
  )
