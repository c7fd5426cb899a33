/** The limits of a response, and the errors of all transports. */
import * as Duration from "effect/Duration"
import type { Options, Request } from "../Transport.ts"
import { TransportError } from "../TransportError.ts"

const defaultMaxBytes = 64 * 1024 * 1024

export const maxBytesOf = (options: Options | undefined): number => {
  const maximum = options?.maxResponseBytes
  return maximum !== undefined && maximum > 0 ? maximum : defaultMaxBytes
}

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
