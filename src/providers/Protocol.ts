/**
 * A provider as pure functions: everything that is specific to one API, without I/O. `ProtocolLlm` makes the `Llm` of it,
 * over any transport.
 */
import type * as Result from "effect/Result"
import type { Completion, CompletionPart, RateLimitWindow } from "../llm/Completion.ts"
import type { LlmError, Reason } from "../llm/LlmError.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import type { Usage } from "../llm/Usage.ts"
import type { Head, Response } from "../transport/Transport.ts"
import type { Server } from "./internal/server.ts"

export interface Protocol {
  /** The server that it talks to, with what may be shown of it. */
  readonly server: Server
  /** Where a request goes, with what must not be shown. */
  readonly url: (request: LlmRequest, streaming: boolean) => string
  /** The headers of every request, made once. */
  readonly headers: Readonly<Record<string, string>>
  /** The JSON text of the body. It fails for requests that the API cannot express. */
  readonly encode: (request: LlmRequest, streaming: boolean) => Result.Result<string, Reason>
  /** The completion in a response whose status is 2xx. */
  readonly decode: (
    response: Response<string>,
    request: LlmRequest,
    nowMillis: () => number
  ) => Result.Result<Completion, Failure>
  /** The answer in a response with any other status. Some servers refuse what the model wrote, and bill it. */
  readonly salvage?: (response: Response<string>, request: LlmRequest) => Completion | undefined
  /** The failure that a response with any other status reports. */
  readonly failure: (response: Response<string>, nowMillis: number) => Failure
  /** Collects the events of a stream whose status is 2xx. */
  readonly collect: (head: Head, request: LlmRequest, nowMillis: () => number) => Collector
}

/** Collects the server-sent events of one stream. */
export interface Collector {
  /**
   * Reads an event, and appends the parts that it contains to `out`. "end" means that no other event belongs to the
   * answer.
   */
  readonly event: (name: string, data: string, out: Array<CompletionPart>) => Failure | "end" | undefined
  /** The completion, or `undefined` where the stream ended before the answer did. */
  readonly finish: () => Completion | undefined
  /** The usage, where the stream has reported it. */
  readonly usage: () => Usage | undefined
}

/** An `LlmError` without the provider. */
export interface Failure {
  readonly reason: Reason
  readonly status?: number
  readonly code?: string
  readonly requestId?: string
  readonly serverDelay?: NonNullable<LlmError["serverDelay"]>
  readonly limit?: NonNullable<LlmError["limit"]>
  readonly rateLimits?: ReadonlyArray<RateLimitWindow>
  readonly usage?: Usage
}
