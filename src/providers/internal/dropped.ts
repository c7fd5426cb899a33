/** Parameters that a provider does not have: they are left out, and a warning says so once for each. */
import * as Effect from "effect/Effect"
import type { LlmRequest, Parameters } from "../../llm/LlmRequest.ts"

/** The warning that a request calls for, if it does. */
export const make = (
  provider: string,
  dropped: ((request: LlmRequest) => ReadonlyArray<string>) | undefined
): (request: LlmRequest) => Effect.Effect<void> | undefined => {
  const said = new Set<string>()
  // All requests of an extraction share one object of parameters.
  let last: Parameters | undefined
  return (request) => {
    if (dropped === undefined || request.parameters === last) return undefined
    last = request.parameters
    const names = dropped(request).filter((name) => !said.has(name))
    if (names.length === 0) return undefined
    for (const name of names) said.add(name)
    return Effect.logWarning(`${provider} does not take ${names.join(", ")}, so requests are sent without`)
  }
}
