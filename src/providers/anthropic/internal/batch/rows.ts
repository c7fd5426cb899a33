/** A line of the results of a batch → the result of a request. */
import * as Result from "effect/Result"
import type { BatchResult } from "../../../../llm/LlmBatch.ts"
import type { LlmRequest, OutputFormat } from "../../../../llm/LlmRequest.ts"
import { invalid, type Server, toError } from "../../../internal/server.ts"
import { object, parse, string } from "../../../internal/wireJson.ts"
import { fromBody, toUsage } from "../completion.ts"
import { toFailure } from "../error.ts"

/** Nothing if the line is not JSON, or does not say which request it answers: the request then has no result. */
export const toResult = (
  line: string,
  model: string,
  output: OutputFormat | undefined,
  server: Server
): BatchResult | undefined => {
  const row = object(Result.getOrUndefined(parse(line)))
  const id = string(row?.["custom_id"])
  const result = object(row?.["result"])
  if (id === undefined || result === undefined) return undefined
  switch (result["type"]) {
    case "succeeded":
      return succeeded(id, result["message"], {
        model,
        messages: [],
        output: output ?? { mode: "text" },
        parameters: {}
      }, server)
    case "expired":
      return { _tag: "Expired", id }
    case "canceled":
      return { _tag: "Cancelled", id }
    default: {
      const error = object(result["error"])
      const failure = toFailure(
        error,
        error === undefined ? "the request has no result" : JSON.stringify(error),
        {
          status: undefined,
          headers: {}
        },
        server,
        0
      )
      return { _tag: "Failed", id, error: toError(server, failure) }
    }
  }
}

const succeeded = (id: string, message: unknown, request: LlmRequest, server: Server): BatchResult => {
  const body = object(message)
  const completion = body === undefined
    ? "the result has no message"
    : fromBody(body, request, server.secrets.redact, undefined)
  if (typeof completion !== "string") return { _tag: "Completed", id, completion }
  const usage = toUsage(object(body?.["usage"]))
  return {
    _tag: "Failed",
    id,
    error: toError(server, invalid(completion, server, usage.unreported > 0 ? undefined : usage))
  }
}
