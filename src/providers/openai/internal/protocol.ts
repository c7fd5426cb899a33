/** OpenAI's APIs as pure functions. */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Usage from "../../../llm/Usage.ts"
import * as Secrets from "../../internal/secrets.ts"
import * as Server from "../../internal/server.ts"
import type { Protocol } from "../../Protocol.ts"
import * as Completion from "./completion.ts"
import * as Errors from "./error.ts"
import * as Request from "./request.ts"
import * as Responses from "./responses/protocol.ts"
import { makeCollector } from "./stream.ts"
import type { Traits } from "./traits.ts"

export interface Options {
  readonly provider: string
  readonly apiKey?: Redacted.Redacted | undefined
  readonly baseUrl: string
  readonly organization?: string | undefined
  readonly project?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly traits?: Traits | undefined
  readonly api?: Api | undefined
}

/** Which of OpenAI's two APIs a request goes to. */
export type Api = "chat-completions" | "responses"

export const pathOf = (api: Api | undefined): string => api === "responses" ? Responses.path : "/chat/completions"

export const make = (options: Options): Protocol => {
  const { api, baseUrl } = options
  const path = pathOf(api)
  const apiKey = options.apiKey === undefined ? undefined : Redacted.value(options.apiKey)
  return fromServer(
    {
      ...Server.make({
        provider: options.provider,
        baseUrl,
        path,
        secrets: Secrets.make({ baseUrl, headers: options.headers, fixed: [apiKey] })
      }),
      rateLimits: options.traits?.rateLimits
    },
    urlOf(baseUrl, path),
    headersOf(options, apiKey),
    options
  )
}

/** The functions that do not depend on how a request is sent. */
export const fromServer = (
  server: Server.Server,
  url: string,
  headers: Readonly<Record<string, string>>,
  { api, traits }: Pick<Options, "api" | "traits"> = {}
): Protocol =>
  api === "responses"
    ? Responses.fromServer(server, url, headers)
    : chatCompletions(server, url, headers, traits === undefined ? Request.openAi : Request.make(traits))

const chatCompletions = (
  server: Server.Server,
  url: string,
  headers: Readonly<Record<string, string>>,
  encoder: Request.Encoder
): Protocol => ({
  server,
  url: () => url,
  headers,
  encode: encoder.toText,
  decode: (response, { model }, nowMillis) => Completion.fromResponse(response, model, server, nowMillis),
  salvage: (response, { model }) => {
    const answer = Errors.rejectedAnswer(response)
    return answer === undefined ? undefined : {
      id: "",
      model,
      text: answer,
      toolCalls: [],
      finishReason: "other",
      usage: Usage.unreported
    }
  },
  failure: (response, nowMillis) => Errors.fromResponse(response, server, nowMillis),
  collect: (head, { model }, nowMillis) => makeCollector(head, model, server, nowMillis)
})

/** The path is appended to the base URL, before its query. */
const urlOf = (baseUrl: string, path: string): string =>
  Result.getOrElse(
    Result.try(() => {
      const url = new URL(baseUrl)
      url.pathname = `${url.pathname.replace(/\/+$/, "")}${path}`
      return url.href
    }),
    () => baseUrl
  )

/** Names in lower case, so that a header of the user replaces one of ours. */
const headersOf = (options: Options, apiKey: string | undefined): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {
    accept: "application/json",
    "content-type": "application/json",
    "user-agent": "effect-instructor",
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    ...(options.organization !== undefined && { "openai-organization": options.organization }),
    ...(options.project !== undefined && { "openai-project": options.project })
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value
  return headers
}
