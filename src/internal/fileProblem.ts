/** The system's message of a failed operation on a file: "ENOSPC: no space left on device, write". */
import type { PlatformError } from "effect/PlatformError"

export const describe = ({ message, reason }: PlatformError): string =>
  reason._tag !== "BadArgument" && reason.cause instanceof Error
    ? reason.cause.message
    : reason.description ?? message
