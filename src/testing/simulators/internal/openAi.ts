/** OpenAI's Chat Completions and Responses. */
import * as ChatRequest from "./chatRequest.ts"
import * as Limiter from "./limiter.ts"
import * as Refusal from "./refusal.ts"
import * as ResponsesRefusal from "./responsesApiRefusal.ts"
import * as ResponsesRequest from "./responsesApiRequest.ts"
import * as ResponsesWire from "./responsesApiWire.ts"
import type { Speaker } from "./speaker.ts"
import * as Wire from "./wire.ts"

export const openAi: Speaker = {
  basePath: "/v1",
  route: (method, path) => {
    if (method === "POST" && path === "/v1/chat/completions") return { _tag: "Complete" }
    if (method === "POST" && path === "/v1/responses") return { _tag: "Complete", speaker: responses }
    return method === "GET" && /^\/v1\/models(?:\/.|$)/.test(path)
      ? { _tag: "Models", id: path.slice("/v1/models/".length) }
      : undefined
  },
  read: (bodyText, index) => ChatRequest.read(bodyText, index),
  refuse: (chat, headers, restrictions) => Refusal.refuse(chat, headers["authorization"], restrictions),
  refuseKey: (headers, restrictions) => Refusal.refuseKey(headers["authorization"], restrictions),
  refuseModel: Refusal.refuseModel,
  limited: Limiter.toResponse,
  limitHeaders: (limiter, now) => limiter.headers(now),
  headers: (index) => ({
    "openai-version": "2020-10-01",
    "openai-processing-ms": "1",
    "x-request-id": `req_${index}`
  }),
  toFault: (fault) => fault,
  id: (index) => `chatcmpl-${index}`,
  toBody: Wire.toCompletion,
  toEvents: (answer, options) => [
    ...Wire.toChunks(answer, options).map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`),
    "data: [DONE]\n\n"
  ],
  toModel: (id) => toModel(id),
  toModels: (ids) => ({ object: "list", data: ids.map(toModel) })
}

/** The other API of the same server. */
const responses: Speaker = {
  ...openAi,
  read: (bodyText, index) => ResponsesRequest.read(bodyText, index),
  refuse: ResponsesRefusal.refuse,
  id: (index) => `resp_${index}`,
  toBody: ResponsesWire.toResponse,
  toEvents: ResponsesWire.toEvents
}

const toModel = (id: string) => ({ id, object: "model", created: 0, owned_by: "simulator" })
