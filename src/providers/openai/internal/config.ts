/** The settings of `OpenAi.layerConfig`, read from the environment. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"

export interface Sources {
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  readonly baseUrl?: Config.Config<string> | undefined
  readonly model?: Config.Config<string> | undefined
}

/** A key is required unless there is a base URL: a server of one's own may need none. */
export const read = Effect.fnUntraced(function*(sources: Sources | undefined) {
  const baseUrl = yield* Config.option(sources?.baseUrl ?? Config.NonEmptyString("OPENAI_BASE_URL"))
  const readKey = sources?.apiKey ?? Config.Redacted("OPENAI_API_KEY")
  const apiKey = Option.isSome(baseUrl) ? yield* Config.option(readKey) : Option.some(yield* readKey)
  const model = yield* Config.option(sources?.model ?? Config.NonEmptyString("OPENAI_MODEL"))
  return {
    apiKey: Option.getOrUndefined(apiKey),
    baseUrl: Option.getOrUndefined(baseUrl),
    model: Option.getOrUndefined(model)
  }
})
