/** What differs between the batch APIs that a simulator speaks. The work on a batch is the same for all of them. */
import type { Headers } from "effect/http/Headers"
import type * as Schema from "effect/Schema"
import type * as Fault from "../../Fault.ts"
import type { ChatRequest } from "./chatRequest.ts"
import type { Speaker } from "./speaker.ts"

/** One line of the input. */
export interface Row {
  readonly id: string
  /** The request, or what is wrong with it. */
  readonly chat: ChatRequest | string
}

/** What is wrong with a line, so that the batch fails as a whole. */
export interface Problem {
  readonly code: string
  readonly message: string
}

/** What a line of the results says. */
export type Outcome =
  | { readonly _tag: "Answer"; readonly body: Schema.Json }
  | { readonly _tag: "Fault"; readonly fault: Fault.Respond }
  | { readonly _tag: "Expired" }
  | { readonly _tag: "Cancelled" }
  | { readonly _tag: "NoStatus" }

export interface Format {
  readonly speaker: Speaker
  /** The headers of a request that has been let in. */
  readonly headers: Headers
  /** Reads a line. `model` is that of the batch. */
  readonly read: (
    line: { readonly [key: string]: unknown },
    index: number,
    model: string | null
  ) => Row | Problem
  /** The result of a line as JSON. */
  readonly write: (id: string, outcome: Outcome) => Schema.Json
  /** Whether failures are in a file of their own. */
  readonly hasErrorFile: boolean
  /** Whether a batch that fails says so. Otherwise all of its requests fail. */
  readonly canFail: boolean
}
