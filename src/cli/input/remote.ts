/** An input behind a URL, such as a presigned one of an object store. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type CommandFailure, usage } from "../commandFailure.ts"

export const isRemote = (path: string): boolean => /^https?:\/\//i.test(path)

/** A path as it may be shown and kept. */
export const withoutQuery = (path: string): string => isRemote(path) ? path.replace(/[?#].*$/s, "") : path

export interface Remote {
  /** Without the query, which may contain a signature. */
  readonly name: string
  readonly bytes: Stream.Stream<Uint8Array, CommandFailure>
  readonly totalBytes: number | undefined
  /** Whether the bytes were compressed for the transfer only, so that the name does not say what they are. */
  readonly isDecoded: boolean
}

export const open = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Remote, CommandFailure, Scope.Scope> {
  const url = Result.try(() => new URL(path))
  if (Result.isFailure(url)) return yield* usage(`The input is not a URL: ${withoutQuery(path)}`)
  const { host, pathname, protocol } = url.success
  const name = `${protocol}//${host}${decoded(pathname)}`
  const client = Context.get(yield* Layer.build(FetchHttpClient.layer), HttpClient.HttpClient)
  // The message of an error repeats the URL.
  const unreadable = (): CommandFailure => usage(`Cannot read ${name}: the server cannot be reached`)
  const response = yield* Effect.mapError(HttpClient.withScope(client).get(path), unreadable)
  if (response.status !== 200) {
    return yield* usage(`Cannot read ${name}: the server answered with status ${response.status}`)
  }
  const isDecoded = !["", "identity"].includes(response.headers["content-encoding"] ?? "")
  const length = Number(response.headers["content-length"] ?? NaN)
  return {
    name,
    bytes: Stream.mapError(
      response.stream,
      () => usage(`Cannot read ${name}: the connection was lost. Run the same command again to resume`)
    ),
    totalBytes: isDecoded || !Number.isSafeInteger(length) ? undefined : length,
    isDecoded
  }
})

const decoded = (pathname: string): string =>
  Result.getOrElse(Result.try(() => decodeURIComponent(pathname)), () => pathname)
