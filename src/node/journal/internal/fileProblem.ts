/** The message of the operating system for a failed operation: "ENOSPC: no space left on device, write". */
import type { PlatformError } from "effect/PlatformError"
import { FileFailure, JournalError } from "../../../batch/JournalError.ts"

export const describe = ({ message, reason }: PlatformError): string =>
  reason._tag !== "BadArgument" && reason.cause instanceof Error
    ? reason.cause.message
    : reason.description ?? message

/** The error of an operation on a file of the journal. */
export const fileFailure = (path: string) => (operation: string) => (error: PlatformError): JournalError =>
  new JournalError({ reason: new FileFailure({ path, operation, description: describe(error) }) })
