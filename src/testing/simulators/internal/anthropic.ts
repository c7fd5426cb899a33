/** Anthropic's Messages. */
import * as DateTime from "effect/DateTime"
import * as Refusal from "./anthropic/refusal.ts"
import * as Request from "./anthropic/request.ts"
import * as Wire from "./anthropic/wire.ts"
import { meaningOf, otherHeaders } from "./fault.ts"
import type { Speaker } from "./speaker.ts"

const errorTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error"
}

const toFault: Speaker["toFault"] = (fault) => {
  const meaning = meaningOf(fault)
  if (meaning === undefined) return fault
  const { code, delayMillis, message } = meaning
  const status = meaning.status === 503 ? 529 : meaning.status
  const spent = code === "insufficient_quota"
  return Wire.error(status, errorTypes[status] ?? "api_error", message, {
    headers: {
      ...otherHeaders(fault),
      ...(delayMillis !== undefined && { "retry-after": String(Math.ceil(delayMillis / 1000)) })
    },
    ...(spent && { details: { error_code: "enforced_spend_limit_reached" } })
  })
}

export const anthropic: Speaker = {
  basePath: "",
  route: (method, path) => {
    if (method === "POST" && path === "/v1/messages") return { _tag: "Complete" }
    return method === "GET" && /^\/v1\/models(?:\/.|$)/.test(path)
      ? { _tag: "Models", id: path.slice("/v1/models/".length) }
      : undefined
  },
  read: (bodyText, index) => {
    const chat = Request.read(bodyText, index)
    return typeof chat === "string" ? chat : { ...chat, thinks: Refusal.isThinking(chat.simulated.body) }
  },
  refuse: Refusal.refuse,
  refuseKey: Refusal.refuseKey,
  refuseModel: Refusal.refuseModel,
  limited: ({ kind, limit, waitMillis }, model, hasHeaders) =>
    Wire.error(
      429,
      "rate_limit_error",
      `This request would exceed your organization's rate limit of ${limit} ${kind} per minute (model: ${model}).`,
      {
        headers: waitMillis === undefined || !hasHeaders ? {} : { "retry-after": String(Math.ceil(waitMillis / 1000)) }
      }
    ),
  limitHeaders: (limiter, now) =>
    Object.fromEntries(
      limiter.levels(now).flatMap(({ kind, limit, remaining, resetMillis }) => [
        [`anthropic-ratelimit-${kind}-limit`, String(limit)],
        [`anthropic-ratelimit-${kind}-remaining`, String(remaining)],
        [
          `anthropic-ratelimit-${kind}-reset`,
          DateTime.formatIso(DateTime.makeUnsafe(Math.ceil((now + resetMillis) / 1000) * 1000)).replace(".000Z", "Z")
        ]
      ])
    ),
  headers: (index) => ({ "request-id": `req_${index}`, "anthropic-organization-id": "org-simulated" }),
  toFault,
  id: (index) => `msg_${index}`,
  toBody: Wire.toMessage,
  toEvents: Wire.toEvents,
  toModel: (id) => toModel(id),
  toModels: (ids) => ({
    data: ids.map(toModel),
    has_more: false,
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null
  })
}

const toModel = (id: string) => ({ id, type: "model", display_name: id, created_at: "2026-01-01T00:00:00Z" })
