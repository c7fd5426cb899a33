/** Identifies a request together with the server that answers it. */
import { memoize } from "effect/Function"
import type { Llm } from "./Llm.ts"
import { canonical, type LlmRequest } from "./LlmRequest.ts"

/** The server that answers: an `Llm` or an `LlmBatch`. */
type Server = Pick<Llm["Service"], "origin" | "provider">

/**
 * A text that is the same for requests that get the same answer, and different for any others: another server may answer
 * the same request to a model of the same name differently. Caches and journals identify requests by it.
 */
export const fingerprint = (llm: Server, request: LlmRequest): string => serverOf(llm) + canonical(request)

const serverOf = memoize(({ origin, provider }: Server): string =>
  `${JSON.stringify(provider)} ${JSON.stringify(origin)} `
)
