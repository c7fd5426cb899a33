/** Redirects: followed within an origin, where they carry nothing to a stranger, and refused otherwise. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Head, Request } from "../Transport.ts"
import { TransportError } from "../TransportError.ts"

/** More redirects than this have no end. */
const maxRedirects = 5

export const isRedirect = (status: number, headers: Head["headers"]): boolean =>
  status >= 301 && status <= 308 && (status <= 303 || status >= 307) &&
  Predicate.isString(headers["location"])

/** The request to send after a redirect. A request with a body keeps its method, as 307 and 308 demand. */
export const follow = (
  request: Request,
  { headers }: Head,
  count: number
): Result.Result<Request, TransportError> => {
  const location = headers["location"] ?? ""
  const target = Result.getOrUndefined(Result.try(() => new URL(location, request.url)))
  if (target === undefined) return refused("to a place that is not a URL")
  if (target.origin !== new URL(request.url).origin) {
    return refused(`to another origin, ${target.protocol}//${target.host}, which the request is not sent to`)
  }
  if (target.username !== "" || target.password !== "") return refused("to a URL with credentials")
  return count >= maxRedirects ? refused("again and again") : Result.succeed({ ...request, url: target.href })
}

const refused = (where: string): Result.Result<never, TransportError> =>
  Result.fail(new TransportError({ reason: "Redirect", description: `the server redirects ${where}` }))

/** A redirect that a browser does not show. */
export const hidden = (): TransportError =>
  new TransportError({ reason: "Redirect", description: "the server redirects, which this platform does not follow" })
