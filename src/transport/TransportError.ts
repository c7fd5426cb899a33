/**
 * The failure of a request without a response. Documented as `Transport.TransportError`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The failure of a request that has no response, or only a part of one.
 *
 * - `Connection`: the connection could not be made, or it broke. `cause` is the error of the platform.
 * - `Timeout`: the deadline passed.
 * - `LimitExceeded`: the response is larger than `limit` allows. The rest of it was not read.
 * - `Redirect`: the server redirects to another origin, or without an end. The request was not sent there.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransportError extends Data.TaggedError("TransportError")<{
  readonly reason: "Connection" | "Timeout" | "LimitExceeded" | "Redirect"
  readonly description: string
  readonly cause?: unknown
  /** Which limit was exceeded, and what it is. */
  readonly limit?: "maxResponseBytes" | "maxHeaderBytes" | undefined
  readonly maximum?: number | undefined
}> {
  override get message(): string {
    return this.description
  }
}
