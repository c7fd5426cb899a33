/** What differs between the APIs that a simulator can speak. The rest of the server is the same for all of them. */
import type { Headers } from "effect/http/Headers"
import type * as Schema from "effect/Schema"
import type * as Fault from "../../Fault.ts"
import type { ChatRequest } from "./chatRequest.ts"
import type * as Limiter from "./limiter.ts"
import type { Answer } from "./wire.ts"

/** A request that asks for a completion. */
export interface Route {
  readonly _tag: "Complete"
  /** The parts of the request that are in its path. */
  readonly model?: string | undefined
  readonly stream?: boolean | undefined
  /** The API of the request, where the server speaks more than one. */
  readonly speaker?: Speaker | undefined
}

/** A request for one model by its id, or for the list of all with an empty id. */
interface ModelsRoute {
  readonly _tag: "Models"
  readonly id: string
}

interface Restrictions {
  readonly apiKey?: string | undefined
  readonly models?: ReadonlyArray<string> | undefined
}

type Lines = Readonly<Record<string, string>>

export interface Speaker {
  /** The path of the base URL. */
  readonly basePath: string
  readonly route: (method: string, path: string) => Route | ModelsRoute | undefined
  /** The request, or the message of a 400. */
  readonly read: (bodyText: string, index: number, route: Route) => ChatRequest | string
  /** The errors that come before the rate limits. */
  readonly refuse: (chat: ChatRequest, headers: Headers, restrictions: Restrictions) => Fault.Respond | undefined
  readonly refuseKey: (headers: Headers, restrictions: Restrictions) => Fault.Respond | undefined
  readonly refuseModel: (model: string, restrictions: Restrictions) => Fault.Respond | undefined
  readonly limited: (refused: Limiter.Refused, model: string, hasHeaders: boolean) => Fault.Respond
  readonly limitHeaders: (limiter: Limiter.Limiter, nowMillis: number) => Lines
  readonly headers: (index: number) => Lines
  /** A fault in the format of the API: the constructors of `Fault` make OpenAI's. */
  readonly toFault: (fault: Fault.Respond) => Fault.Respond
  readonly id: (index: number) => string
  readonly toBody: (answer: Answer) => Schema.Json
  /** The events of a stream as text. */
  readonly toEvents: (
    answer: Answer,
    options: { readonly chunkSize: number; readonly includesUsage: boolean }
  ) => ReadonlyArray<string>
  readonly toModel: (id: string) => Schema.Json
  readonly toModels: (ids: ReadonlyArray<string>) => Schema.Json
}
