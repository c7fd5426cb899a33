/** The settings of `OpenAi.layerConfig`, read from the environment. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

export interface Sources {
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  readonly baseUrl?: Config.Config<string> | undefined
  readonly model?: Config.Config<string> | undefined
}

/** A key is required unless there is a base URL: a server of one's own may need none. */
export const read = Effect.fnUntraced(function*(sources: Sources | undefined) {
  const baseUrl = yield* Config.option(sources?.baseUrl ?? Config.NonEmptyString("OPENAI_BASE_URL"))
  const key = sources?.apiKey ?? Config.Redacted("OPENAI_API_KEY")
  const apiKey = Option.filter(yield* Config.option(key), (key) => Redacted.value(key).trim() !== "")
  const model = yield* Config.option(sources?.model ?? Config.NonEmptyString("OPENAI_MODEL"))
  if (Option.isNone(apiKey) && Option.isNone(baseUrl)) return yield* missingKey(key)
  return {
    apiKey: Option.getOrUndefined(apiKey),
    baseUrl: Option.getOrUndefined(baseUrl),
    model: Option.getOrUndefined(model)
  }
})

const missingKey = (key: Config.Config<unknown>): Effect.Effect<never, Config.ConfigError> =>
  Effect.flatMap(Effect.result(key), (result) => {
    const name = Result.isFailure(result) ? variableOf(result.failure) : undefined
    return Effect.fail(
      new Config.ConfigError(
        new ConfigProvider.SourceError({
          message: `There is no API key: set ${name ?? "one"}, or set OPENAI_BASE_URL to a server that needs none`
        })
      )
    )
  })

/** The environment variable that a setting is missing in. */
const variableOf = ({ cause }: Config.ConfigError): string | undefined =>
  cause._tag === "SchemaError" && cause.issue._tag === "Pointer" ? cause.issue.path.map(String).join("_") : undefined
