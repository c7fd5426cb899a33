/** The settings of a provider, read from the environment. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

export interface Sources {
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  readonly baseUrl?: Config.Config<string> | undefined
  readonly model?: Config.Config<string> | undefined
}

export interface Variables {
  /** The variables of the key, of which the first that is set counts. None if the server needs no key. */
  readonly apiKey: ReadonlyArray<string>
  readonly baseUrl: string
  readonly model: string
  /** Whether the provider's own server needs a key. */
  readonly needsKey: boolean
}

export interface Settings {
  readonly apiKey: Redacted.Redacted | undefined
  readonly baseUrl: string | undefined
  readonly model: string | undefined
}

/** A variable that is empty counts as absent. */
const optional = (name: string): Config.Config<string | undefined> =>
  Config.option(Config.String(name)).pipe(
    Config.map((value) => Option.getOrUndefined(Option.filter(value, (text) => text.trim() !== "")))
  )

const given = <A>(config: Config.Config<A> | undefined): Effect.Effect<A | undefined, Config.ConfigError> =>
  config === undefined ? Effect.succeed(undefined) : Effect.map(Config.option(config), Option.getOrUndefined)

/** The first variable of a key that is set. */
export const keyOf = (names: ReadonlyArray<string>): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> =>
  Effect.gen(function*() {
    for (const name of names) {
      const value = yield* optional(name)
      if (value !== undefined) return Redacted.make(value.trim())
    }
    return undefined
  })

/** A key is required unless there is a base URL: a server of one's own may need none. */
export const read = (
  variables: Variables,
  sources?: Sources
): Effect.Effect<Settings, Config.ConfigError> =>
  Effect.gen(function*() {
    const baseUrl = (yield* given(sources?.baseUrl)) ?? (yield* optional(variables.baseUrl))
    const own = yield* given(sources?.apiKey)
    const apiKey = own !== undefined && Redacted.value(own).trim() !== ""
      ? own
      : sources?.apiKey === undefined
      ? yield* keyOf(variables.apiKey)
      : undefined
    const model = (yield* given(sources?.model)) ?? (yield* optional(variables.model))
    if (apiKey === undefined && baseUrl === undefined && variables.needsKey) return yield* missingKey(variables)
    return { apiKey, baseUrl, model }
  })

const missingKey = ({ apiKey, baseUrl }: Variables): Effect.Effect<never, Config.ConfigError> =>
  Effect.fail(
    new Config.ConfigError(
      new ConfigProvider.SourceError({
        message: `There is no API key: set ${apiKey.join(" or ")}, or set ${baseUrl} to a server that needs none`
      })
    )
  )
