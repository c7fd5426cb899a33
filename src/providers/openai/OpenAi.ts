/**
 * OpenAI, and every server that speaks its Chat Completions (Ollama, vLLM, llama.cpp, Azure), over the `openai` SDK.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { OpenAI } from "openai"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import * as Llm from "../../llm/Llm.ts"
import * as LlmGovernor from "../../middleware/governor/LlmGovernor.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import { fromResponse } from "./internal/completion.ts"
import { toReason } from "./internal/error.ts"
import { readParts } from "./internal/events.ts"
import type { ResponseHeaders } from "./internal/rateLimit.ts"
import { toBody } from "./internal/request.ts"
import { makeCollector } from "./internal/stream.ts"

/**
 * The model asked when neither the layer nor the extraction names one: small, current, with structured output.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultModel = "gpt-5.4-mini"

/**
 * @category constants
 * @since 0.1.0
 */
export const defaultBaseUrl = "https://api.openai.com/v1"

/**
 * @category models
 * @since 0.1.0
 */
export interface ProviderOptions {
  /**
   * The model for extractions that name none.
   *
   * @default defaultModel
   */
  readonly model?: string | undefined
  /**
   * The longest a single request may take, from sending it to the last byte of the answer; in a stream, to its first.
   *
   * @default "10 minutes"
   */
  readonly requestTimeout?: Duration.Input | undefined
  /**
   * The provider's name in telemetry.
   *
   * @default "openai"
   */
  readonly provider?: string | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends ProviderOptions {
  /** Local servers need none. */
  readonly apiKey?: Redacted.Redacted | undefined
  /**
   * @default defaultBaseUrl
   */
  readonly baseUrl?: string | undefined
  readonly organization?: string | undefined
  readonly project?: string | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options extends ClientOptions {
  /** How fast the governor in front of the provider sends, and how it retries. */
  readonly governor?: LlmGovernor.Options | undefined
}

/**
 * Settings to read from the environment. What is not given is read from `OPENAI_API_KEY`, `OPENAI_BASE_URL` and
 * `OPENAI_MODEL`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions extends Omit<Options, "apiKey" | "baseUrl" | "model"> {
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  readonly baseUrl?: Config.Config<string> | undefined
  readonly model?: Config.Config<string> | undefined
}

/**
 * OpenAI behind a governor with defaults, which finds out the account's limits: the layer most programs want.
 *
 * **Example** (A local server)
 *
 * ```ts
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Ollama = OpenAi.layer({ baseUrl: "http://127.0.0.1:11434/v1", model: "qwen3:8b", provider: "ollama" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor> =>
  Layer.provide(LlmGovernor.layer(options.governor), layerProvider(options))

/**
 * Like `layer`, with the key, the base URL and the model from the environment. Without `OPENAI_API_KEY` it fails,
 * unless `OPENAI_BASE_URL` names a server of your own, which may need none.
 *
 * **Example** (Variables with other names)
 *
 * ```ts
 * import { Config } from "effect"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = OpenAi.layerConfig({
 *   apiKey: Config.Redacted("TEAM_OPENAI_KEY"),
 *   governor: { maxRetries: 10 },
 *   requestTimeout: "2 minutes"
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: ConfigOptions
): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor, Config.ConfigError> =>
  Layer.provide(LlmGovernor.layer(options?.governor), layerProviderConfig(options))

/**
 * The provider alone, without retries: for one governor over several providers, or none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProvider = (options: ClientOptions): Layer.Layer<Llm.Llm> =>
  Layer.effect(Llm.Llm, Effect.map(Fetch, (fetch) => fromClient(makeClient(options, fetch), options, pastSdk)))

/**
 * Like `layerProvider`, with the key, the base URL and the model from the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProviderConfig = (options?: ConfigOptions): Layer.Layer<Llm.Llm, Config.ConfigError> =>
  Layer.unwrap(Effect.map(readConfig(options), layerProvider))

/**
 * A client of the SDK that is already made (`AzureOpenAI`, say), behind a governor with defaults. The client's own
 * retries are not used.
 *
 * **Example** (Azure)
 *
 * ```ts
 * import { OpenAi } from "effect-instructor/openai"
 * import { AzureOpenAI } from "openai"
 *
 * const client = new AzureOpenAI({
 *   apiKey: "from your vault",
 *   apiVersion: "2026-01-01",
 *   endpoint: "https://example.openai.azure.com"
 * })
 *
 * export const Llm = OpenAi.layerClient(client, { model: "my-deployment", provider: "azure.ai.openai" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (
  client: OpenAI,
  options?: ProviderOptions & { readonly governor?: LlmGovernor.Options | undefined }
): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor> =>
  Layer.provide(LlmGovernor.layer(options?.governor), Layer.sync(Llm.Llm, () => make(client, options)))

const readConfig = (options: ConfigOptions | undefined) =>
  Effect.gen(function*() {
    const baseUrl = yield* Config.option(options?.baseUrl ?? Config.NonEmptyString("OPENAI_BASE_URL"))
    const readKey = options?.apiKey ?? Config.Redacted("OPENAI_API_KEY")
    const apiKey = Option.isSome(baseUrl) ? yield* Config.option(readKey) : Option.some(yield* readKey)
    const model = yield* Config.option(options?.model ?? Config.NonEmptyString("OPENAI_MODEL"))
    return {
      ...options,
      apiKey: Option.getOrUndefined(apiKey),
      baseUrl: Option.getOrUndefined(baseUrl),
      model: Option.getOrUndefined(model)
    }
  })

const makeClient = (options: ClientOptions, fetch: typeof globalThis.fetch): OpenAI =>
  new OpenAI({
    // The SDK insists on a key, also for servers that want none.
    apiKey: options.apiKey === undefined ? "none" : Redacted.value(options.apiKey),
    adminAPIKey: null,
    organization: options.organization ?? null,
    project: options.project ?? null,
    webhookSecret: null,
    baseURL: options.baseUrl ?? defaultBaseUrl,
    ...(options.headers !== undefined && { defaultHeaders: options.headers }),
    maxRetries: 0,
    logLevel: "off",
    fetch: (url, init?: InitPastSdk) => fetch(url, { ...init, signal: init?.abortedBy ?? init?.signal ?? null })
  })

interface InitPastSdk extends RequestInit {
  readonly abortedBy?: AbortSignal
}

/**
 * Hot. The SDK composes a signal it is given with one of its own, for its timeouts, at 20 µs a request. Our timeouts are
 * on our signal already, so it goes past the SDK to `fetch`, among the options that the SDK hands on as they are.
 */
const pastSdk = (signal: AbortSignal): OpenAI.RequestOptions => ({
  fetchOptions: { abortedBy: signal } as NonNullable<OpenAI.RequestOptions["fetchOptions"]>
})

/** The longest that timers can be set for. */
const maxTimer = 2 ** 31 - 1

/** What the SDK makes of a body: JSON where the server says so, and otherwise its text. */
const parseBody = (text: string, headers: ResponseHeaders): Result.Result<unknown, unknown> =>
  text === ""
    ? Result.succeed(undefined)
    : /^[^;]*(?:application\/json|\+json\s*(?:;|$))/i.test(headers.get("content-type") ?? "")
    ? Result.try((): unknown => JSON.parse(text))
    : Result.succeed(text)

/**
 * The `Llm` over a client of the SDK.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (client: OpenAI, options?: ProviderOptions): Llm.Llm["Service"] =>
  fromClient(client, options, (signal) => ({ signal }))

const fromClient = (
  client: OpenAI,
  options: ProviderOptions | undefined,
  abortedBy: (signal: AbortSignal) => OpenAI.RequestOptions
): Llm.Llm["Service"] => {
  const timeout = Duration.fromInputUnsafe(options?.requestTimeout ?? "10 minutes")
  const url = `${publicUrl(client.baseURL).replace(/\/$/, "")}/chat/completions`
  const secrets = [client.apiKey, client.adminAPIKey].filter(Predicate.isString).filter((key) => key.length >= 8)
  const scrub = (text: string): string =>
    secrets.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
      // OpenAI quotes a wrong key with its middle starred out, and fetch a URL with the password in it.
      .replace(/\bsk-[\w*-]+/g, "<redacted>")
      .replace(/\bhttps?:\/\/[^\s"'<>]+/g, publicUrl)

  const fail = (method: string, reason: AiError.AiErrorReason) =>
    Effect.fail(AiError.make({ module: "OpenAi", method, reason }))

  const errorFrom = (method: string, clock: Clock.Clock) => (cause: unknown): AiError.AiError =>
    AiError.make({
      module: "OpenAi",
      method,
      reason: toReason(cause, { url, nowMillis: clock.currentTimeMillisUnsafe(), scrub })
    })

  const timedOut = (method: string) =>
    fail(
      method,
      new AiError.NetworkError({
        reason: "TransportError",
        method: "POST",
        url,
        description: `no answer within ${Duration.format(timeout)}`
      })
    )

  const requestOptions = {
    maxRetries: 0,
    // The SDK's own clock must not ring before ours.
    timeout: Math.min(Duration.toMillis(timeout) + 1000, maxTimer)
  }

  const complete = (request: LlmRequest): Effect.Effect<Completion, AiError.AiError> => {
    const body = toBody(request)
    if (Result.isFailure(body)) return fail("complete", body.failure)
    const failed = (cause: unknown): Effect.Effect<never, AiError.AiError> =>
      Clock.clockWith((clock) => Effect.fail(errorFrom("complete", clock)(cause)))
    const read = (text: string, { headers }: Response): Effect.Effect<Completion, AiError.AiError> => {
      const data = parseBody(text, headers)
      if (Result.isFailure(data)) return failed(data.failure)
      const completion = fromResponse(data.success, headers, request.model)
      return typeof completion === "string"
        ? fail("complete", new AiError.InvalidResponseError({ description: `${completion} (POST ${url})` }))
        : Effect.succeed(completion)
    }
    // Hot. Through `chat.completions.create`, `withResponse` and `Effect.timeoutOrElse` the SDK and Effect do the same
    // for 70 µs more, of 290: a body written with an observer, two more timers, a race of two fibers.
    return Effect.callback<Completion, AiError.AiError>((resume) => {
      const controller = new AbortController()
      // @effect-diagnostics-next-line globalTimersInEffect:off
      const timer = setTimeout(() => {
        settle(timedOut("complete"))
        controller.abort()
      }, Math.min(Duration.toMillis(timeout), maxTimer))
      const settle = (effect: Effect.Effect<Completion, AiError.AiError>): void => {
        clearTimeout(timer)
        resume(effect)
      }
      client.post("/chat/completions", { body: body.success, ...requestOptions, ...abortedBy(controller.signal) })
        .asResponse()
        .then((response) => response.text().then((text) => settle(read(text, response))))
        .catch((cause: unknown) => settle(failed(cause)))
      return Effect.sync(() => {
        clearTimeout(timer)
        controller.abort()
      })
    })
  }

  const stream = (request: LlmRequest): Stream.Stream<CompletionPart, AiError.AiError> => {
    const body = toBody(request)
    if (Result.isFailure(body)) return Stream.fromEffect(fail("stream", body.failure))
    return Stream.unwrap(Effect.gen(function*() {
      const signal = yield* Effect.abortSignal
      const clock = yield* Clock.Clock
      const response = yield* Effect.tryPromise({
        try: () =>
          client.chat.completions.create(
            { ...body.success, stream: true, stream_options: { include_usage: true } },
            { ...requestOptions, signal }
          ).asResponse(),
        catch: errorFrom("stream", clock)
      }).pipe(
        Effect.timeoutOrElse({ duration: timeout, orElse: () => timedOut("stream") })
      )
      const collector = makeCollector(response.headers, request.model)
      const onError = errorFrom("stream", clock)
      const finish = Effect.suspend(() => {
        const completion = collector.finish()
        return completion === undefined
          ? fail(
            "stream",
            new AiError.NetworkError({
              reason: "TransportError",
              method: "POST",
              url,
              description: "the stream ended before the answer did"
            })
          )
          : Effect.succeed<CompletionPart>({ _tag: "Finish", completion })
      })
      return Stream.concat(readParts(response, collector, onError), Stream.fromEffect(finish))
    }))
  }

  return Llm.make({
    provider: options?.provider ?? "openai",
    model: options?.model ?? defaultModel,
    complete,
    stream
  })
}

/** A URL without the credentials and the query it may carry. */
const publicUrl = (text: string): string => {
  const url = Result.getOrUndefined(Result.try(() => new URL(text)))
  return url === undefined ? "<invalid URL>" : `${url.origin}${url.pathname}`
}
