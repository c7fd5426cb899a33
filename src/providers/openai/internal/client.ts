/** A client of the SDK as a transport: it knows where its requests go and how they are signed. */
import * as Predicate from "effect/Predicate"
import type { OpenAI } from "openai"
import { fromFetch, type Transport } from "../../../transport/Transport.ts"
import * as Secrets from "../../internal/secrets.ts"
import * as Server from "../../internal/server.ts"
import type { Protocol } from "../../Protocol.ts"
import { type Api, fromServer, pathOf } from "./protocol.ts"

/** The SDK requires a key, even for servers that need none. */
const noKey = "none"

export const toProtocol = (client: OpenAI, provider: string, api: Api | undefined): Protocol => {
  const { baseURL } = client
  const server = Server.make({
    provider,
    baseUrl: baseURL,
    path: pathOf(api),
    secrets: Secrets.make({
      baseUrl: baseURL,
      // Element access, because the SDK has no public way to read the options of a client.
      headers: client["_options"].defaultHeaders,
      fixed: [client.adminAPIKey],
      // The key may be a function that returns another one for each request.
      key: () => client.apiKey === noKey ? undefined : client.apiKey
    })
  })
  // Its `fetch` is not known, so it cannot be asked for TLS.
  server.state.probed = true
  return fromServer(server, server.url, {}, { api })
}

/** The longest delay of a timer. The SDK's own timeout must not fire before the deadline. */
const maxTimer = 2 ** 31 - 1

export const toTransport = (client: OpenAI, api: Api | undefined): Transport["Service"] =>
  fromFetch((_, init) =>
    client.post(pathOf(api), {
      // An object, because some clients find the model in it.
      body: JSON.parse(init?.body as string) as object,
      maxRetries: 0,
      timeout: maxTimer,
      signal: init?.signal ?? null,
      fetchOptions: { redirect: "manual" }
    }).asResponse().catch(toResponse)
  )

/** The SDK throws responses with an error status, after it has read them. */
const toResponse = (error: unknown): Response => {
  if (!(error instanceof Error) || !Predicate.hasProperty(error, "status") || !Predicate.isNumber(error.status)) {
    throw error
  }
  const { headers, status } = error as Error & { readonly status: number; readonly headers: Headers | undefined }
  const reported = Predicate.hasProperty(error, "error") ? error.error : undefined
  const text = reported === undefined
    ? error.message.replace(new RegExp(`^${status} (?:status code \\(no body\\)$)?`), "")
    : JSON.stringify({ error: reported })
  return new Response(hasBody(status) ? text : null, { status, headers: headers ?? {} })
}

const hasBody = (status: number): boolean => status !== 204 && status !== 205 && status !== 304
