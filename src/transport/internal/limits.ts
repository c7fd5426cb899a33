/** The limits of a response, and the errors of all transports. */
import * as Duration from "effect/Duration"
import type { Headers, Options, Request } from "../Transport.ts"
import { TransportError } from "../TransportError.ts"

const defaultMaxBytes = 64 * 1024 * 1024

export const maxBytesOf = (options: Options | undefined): number => {
  const maximum = options?.maxResponseBytes
  return maximum !== undefined && maximum > 0 ? maximum : defaultMaxBytes
}

/** A stream may have more bytes than a text, because each of its events repeats what surrounds a piece of the answer. */
export const streamFactor = 16

/** The error of a response whose announced length is too large. */
export const announced = (headers: Headers, maximum: number): TransportError | undefined =>
  Number(headers["content-length"]) > maximum ? tooLarge(maximum) : undefined

export const tooLarge = (maximum: number): TransportError =>
  new TransportError({
    reason: "LimitExceeded",
    description: `the response is larger than ${maximum} bytes`,
    limit: "maxResponseBytes",
    maximum
  })

export const timedOut = ({ deadline }: Request): TransportError =>
  new TransportError({
    reason: "Timeout",
    description: `no answer within ${deadline === undefined ? "the deadline" : Duration.format(deadline)}`
  })

export const broken = (cause: unknown): TransportError =>
  new TransportError({
    reason: "Connection",
    description: cause instanceof Error ? cause.message : "the connection failed",
    cause
  })
