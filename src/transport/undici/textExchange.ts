/** An exchange whose response is read as a whole. */
import * as Effect from "effect/Effect"
import type { Dispatcher } from "undici"
import { isRedirect } from "../internal/redirect.ts"
import type { Head, Request, Response } from "../Transport.ts"
import type { TransportError } from "../TransportError.ts"
import * as Decoding from "./decoding.ts"
import { Exchange, type Route } from "./exchange.ts"

type Resume = (effect: Effect.Effect<Response<string>, TransportError>) => void

type Follow = (head: Head) => Effect.Effect<Response<string>, TransportError>

export class TextExchange extends Exchange {
  readonly #resume: Resume
  readonly #follow: Follow
  readonly #maximum: number
  #first: Buffer | undefined
  #more: Array<Buffer> | undefined

  constructor(
    request: Request,
    options: Dispatcher.DispatchOptions,
    millis: number | undefined,
    route: Route,
    resume: Resume,
    follow: Follow
  ) {
    super(options, millis, request, route, route.maximum)
    this.#resume = resume
    this.#follow = follow
    this.#maximum = route.maximum
  }

  protected onHead(): void {}

  protected onChunk(chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk
    else (this.#more ??= [this.#first]).push(chunk)
  }

  protected onEnd(): void {
    const { headers, status } = this
    const bytes = this.#more === undefined ? this.#first : Buffer.concat(this.#more)
    const encoding = headers["content-encoding"]
    if (isRedirect(status, headers)) this.#resume(this.#follow({ status, headers }))
    else if (encoding === undefined || bytes === undefined) {
      this.#resume(Effect.succeed({ status, headers, body: bytes === undefined ? "" : Decoding.text(bytes) }))
    } else {
      this.#resume(
        Effect.map(Decoding.whole(bytes, encoding, this.#maximum), (bytes) => ({
          status,
          headers,
          body: Decoding.text(bytes)
        }))
      )
    }
  }

  protected onFailure(error: TransportError): void {
    this.#resume(Effect.fail(error))
  }
}
