/** A line of an output or error file → the result of a request. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Completion } from "../../../../llm/Completion.ts"
import type { BatchResult } from "../../../../llm/LlmBatch.ts"
import type { LlmError } from "../../../../llm/LlmError.ts"
import { type Call, fromRow } from "../../../internal/restError.ts"

/** Reads the body of a response with status 200. */
export type DecodeRow = (body: unknown, model: string) => Result.Result<Completion, LlmError>

/** Nothing if the line is not JSON, or does not say which request it answers: the request then has no result. */
export const toResult = (
  line: string,
  model: string,
  decode: DecodeRow,
  call: Pick<Call, "provider" | "scrub">
): BatchResult | undefined => {
  const parsed = Result.try(() => JSON.parse(line) as unknown)
  if (Result.isFailure(parsed) || !Predicate.isObject(parsed.success)) return undefined
  const { custom_id: id, error, response } = parsed.success
  if (!Predicate.isString(id)) return undefined
  const code = Predicate.isObject(error) ? error["code"] : undefined
  if (code === "batch_expired") return { _tag: "Expired", id }
  if (code === "batch_cancelled" || code === "batch_canceled") return { _tag: "Cancelled", id }
  const { body, status_code: status } = Predicate.isObject(response) ? response : {} as Record<string, unknown>
  if (status === 200) {
    const completion = decode(body, model)
    return Result.isSuccess(completion)
      ? { _tag: "Completed", id, completion: completion.success }
      : { _tag: "Failed", id, error: completion.failure }
  }
  const failure = Predicate.isObject(error) ? error : body ?? "the request has no response"
  return { _tag: "Failed", id, error: fromRow(failure, Predicate.isNumber(status) ? status : undefined, call) }
}
