/** The SDK's client for the options of a layer. */
import * as Redacted from "effect/Redacted"
import { OpenAI } from "openai"

export interface Options {
  readonly apiKey?: Redacted.Redacted | undefined
  readonly baseUrl: string
  readonly organization?: string | undefined
  readonly project?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** The SDK requires a key, even for servers that need none. */
export const noKey = "none"

export const make = (options: Options, fetch: typeof globalThis.fetch): OpenAI =>
  new OpenAI({
    apiKey: options.apiKey === undefined ? noKey : Redacted.value(options.apiKey),
    adminAPIKey: null,
    organization: options.organization ?? null,
    project: options.project ?? null,
    webhookSecret: null,
    baseURL: options.baseUrl,
    ...(options.headers !== undefined && { defaultHeaders: options.headers }),
    maxRetries: 0,
    logLevel: "off",
    fetch: (url, init?: InitPastSdk) => fetch(url, { ...init, signal: init?.abortedBy ?? init?.signal ?? null })
  })

interface InitPastSdk extends RequestInit {
  readonly abortedBy?: AbortSignal
}

/**
 * Hot. The SDK combines the signal of a request with one of its own, for its timeouts, which takes 20 µs a request. Our
 * signal includes our timeouts already, so it reaches `fetch` past the SDK, among the options that the SDK passes on
 * unchanged.
 */
export const pastSdk = (signal: AbortSignal): OpenAI.RequestOptions => ({
  fetchOptions: { abortedBy: signal } as NonNullable<OpenAI.RequestOptions["fetchOptions"]>
})
