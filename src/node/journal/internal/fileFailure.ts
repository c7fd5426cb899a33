import type { PlatformError } from "effect/PlatformError"
import { FileFailure, JournalError } from "../../../batch/JournalError.ts"
import * as FileProblem from "../../../internal/fileProblem.ts"

/** The error of an operation on a file of the journal. */
export const fileFailure = (path: string) => (operation: string) => (error: PlatformError): JournalError =>
  new JournalError({ reason: new FileFailure({ path, operation, description: FileProblem.describe(error) }) })
