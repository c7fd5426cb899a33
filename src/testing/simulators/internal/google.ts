/** Google's `generateContent` and `streamGenerateContent`. */
import { meaningOf, otherHeaders } from "./fault.ts"
import * as Refusal from "./google/refusal.ts"
import * as Request from "./google/request.ts"
import * as Wire from "./google/wire.ts"
import type { Speaker } from "./speaker.ts"

const toFault: Speaker["toFault"] = (fault) => {
  const meaning = meaningOf(fault)
  if (meaning === undefined) return fault
  const { code, delayMillis, message, status } = meaning
  return Wire.error(status, message, {
    headers: otherHeaders(fault),
    details: [
      ...(code === "insufficient_quota"
        ? [Wire.quotaFailure("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 250)]
        : []),
      ...(delayMillis === undefined ? [] : [Wire.retryInfo(delayMillis)])
    ]
  })
}

const path = /^\/v1(?:beta)?\/models\/([^/:]+):(generateContent|streamGenerateContent)$/

export const google: Speaker = {
  basePath: "",
  route: (method, url) => {
    const [, model, verb] = path.exec(url) ?? []
    if (method === "POST" && model !== undefined) {
      return { _tag: "Complete", model: decodeURIComponent(model), stream: verb === "streamGenerateContent" }
    }
    return method === "GET" && /^\/v1beta\/models(?:\/.|$)/.test(url)
      ? { _tag: "Models", id: url.slice("/v1beta/models/".length) }
      : undefined
  },
  read: Request.read,
  refuse: Refusal.refuse,
  refuseKey: Refusal.refuseKey,
  refuseModel: Refusal.refuseModel,
  limited: ({ kind, limit, waitMillis }, model) =>
    Wire.error(
      429,
      "You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: " +
        `generativelanguage.googleapis.com/generate_content_${kind}, limit: ${limit}, model: ${model}` +
        (waitMillis === undefined ? "" : `\nPlease retry in ${waitMillis / 1000}s.`),
      {
        details: [
          Wire.quotaFailure(
            kind === "requests"
              ? "GenerateRequestsPerMinutePerProjectPerModel"
              : "GenerateContentInputTokensPerMinutePerModel",
            limit
          ),
          ...(waitMillis === undefined ? [] : [Wire.retryInfo(waitMillis)])
        ]
      }
    ),
  limitHeaders: () => ({}),
  headers: () => ({ server: "scaffolding on HTTPServer2" }),
  toFault,
  id: (index) => `response${index}`,
  toBody: Wire.toResponse,
  toEvents: Wire.toEvents,
  toModel: (id) => toModel(id),
  toModels: (ids) => ({ models: ids.map(toModel) })
}

const toModel = (id: string) => ({
  name: `models/${id}`,
  displayName: id,
  supportedGenerationMethods: ["generateContent", "countTokens"]
})
