/** The faults of `Fault`, which are in OpenAI's format, as what they mean. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Fault from "../../Fault.ts"

export interface Meaning {
  readonly status: number
  readonly message: string
  readonly code: string | undefined
  readonly type: string | undefined
  /** The delay before a retry. */
  readonly delayMillis: number | undefined
}

/** The meaning of a fault that a constructor of `Fault` has made. Any other response is sent as it is. */
export const meaningOf = ({ body, headers, status }: Fault.Respond): Meaning | undefined => {
  const parsed = Result.getOrUndefined(Result.try((): unknown => JSON.parse(body)))
  const error = Predicate.isObject(parsed) ? parsed["error"] : undefined
  if (!Predicate.isObject(error) || Object.keys(error).join() !== "message,type,param,code") return undefined
  const { code, message, type } = error
  const millis = headers["retry-after-ms"]
  return {
    status,
    message: String(message),
    code: Predicate.isString(code) ? code : undefined,
    type: Predicate.isString(type) ? type : undefined,
    delayMillis: millis === undefined ? undefined : Number(millis)
  }
}

/** The headers of a fault, but for OpenAI's own. */
export const otherHeaders = ({ headers }: Fault.Respond): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("retry-after")))
