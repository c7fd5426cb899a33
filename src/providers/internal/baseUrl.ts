/** The base URL of a server: its problems, and the part of it that may be shown. */
import * as AiError from "effect/ai/AiError"
import * as Result from "effect/Result"

/** A URL without the credentials and the query that it may contain. */
export const publicUrl = (text: string): string => {
  const url = parse(text)
  return url === undefined ? "<invalid URL>" : `${url.origin}${url.pathname}`
}

const parse = (text: string): URL | undefined => Result.getOrUndefined(Result.try(() => new URL(text)))

/** Why no request can be sent to a base URL, if none can. */
export const problemOf = (baseUrl: string, url: string): AiError.NetworkError | undefined => {
  const description = describe(parse(baseUrl))
  return description === undefined
    ? undefined
    : new AiError.NetworkError({ reason: "InvalidUrlError", method: "POST", url, description })
}

const describe = (url: URL | undefined): string | undefined => {
  if (url === undefined) return "the base URL is not a URL"
  if (!/^https?:$/.test(url.protocol)) return `the base URL starts with "${url.protocol}", not with http: or https:`
  return url.username === "" && url.password === ""
    ? undefined
    : "the base URL contains credentials; send them in a header instead"
}

/** What to check when a server answers, but not as Chat Completions does. */
export const hintFor = (baseUrl: string): string =>
  /\/(?:v\d|openai)/.test(parse(baseUrl)?.pathname ?? "")
    ? "Check the base URL"
    : `Check the base URL: ${publicUrl(baseUrl)} has no "/v1", which most servers expect at its end`
