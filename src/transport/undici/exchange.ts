/**
 * One request and its response, as undici's parser hands them on.
 *
 * Written by hand because this is the hot path: `fetch` and undici's `request` build a request, a response, lists of
 * headers and streams for each exchange, and an extraction needs a status, a dozen headers and a text.
 */
import type { Dispatcher } from "undici"
import { announced, broken, timedOut, tooLarge } from "../internal/limits.ts"
import type { Headers, Request } from "../Transport.ts"
import { TransportError } from "../TransportError.ts"
import type { Connection, Waiting } from "./connections.ts"

export type HeaderRecord = Record<string, string | Array<string> | undefined>

/** Where an exchange gets its connection from. */
export interface Route {
  /** Gives the exchange a connection, or sends it through a dispatcher of its own. */
  readonly start: (exchange: Exchange) => void
  readonly release: (connection: Connection) => void
  readonly maximum: number
  readonly maxHeaderBytes: number | undefined
}

/** A request that fails within this time on a connection that was idle met its end, and was not read. */
const staleWithin = 1000

/** The longest delay of a timer. */
const maxTimer = 2 ** 31 - 1

export abstract class Exchange implements Dispatcher.DispatchHandler, Waiting {
  readonly options: Dispatcher.DispatchOptions
  readonly #route: Route
  readonly #maximum: number
  #connection: Connection | undefined
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout | undefined
  #sentAt = 0
  #reused = false
  #retried = false
  #size = 0
  protected status = 0
  protected headers: Headers = {}
  isDone = false

  constructor(
    options: Dispatcher.DispatchOptions,
    millis: number | undefined,
    request: Request,
    route: Route,
    maximum: number
  ) {
    this.#maximum = maximum
    this.#route = route
    this.options = options
    if (millis !== undefined) {
      // @effect-diagnostics-next-line globalTimers:off
      this.#timer = setTimeout(() => this.fail(timedOut(request)), Math.min(millis, maxTimer))
    }
  }

  protected abstract onHead(): void
  protected abstract onChunk(chunk: Buffer, controller: Dispatcher.DispatchController): void
  protected abstract onEnd(): void
  protected abstract onFailure(error: TransportError): void

  onConnection(connection: Connection): void {
    this.#connection = connection
    this.#reused = connection.reused
    if (this.#reused) this.#sentAt = performance.now()
    connection.client.dispatch(this.options, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.isDone) controller.abort(new Error("aborted"))
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: HeaderRecord): void {
    // Informational responses precede the response itself: 100 Continue, 103 Early Hints.
    if (status < 200 || this.isDone) return
    for (const name in headers) {
      const value = headers[name]
      if (typeof value === "object") headers[name] = value.join(", ")
    }
    this.status = status
    this.headers = headers as Headers
    const error = announced(this.headers, this.#maximum)
    if (error === undefined) this.onHead()
    else this.fail(error)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isDone) return
    this.#size += chunk.length
    if (this.#size > this.#maximum) this.fail(tooLarge(this.#maximum))
    else this.onChunk(chunk, controller)
  }

  onResponseEnd(): void {
    const connection = this.#connection
    if (connection !== undefined) {
      connection.reused = true
      this.#connection = undefined
      this.#route.release(connection)
    }
    if (this.isDone) return
    this.#finish()
    this.onEnd()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const connection = this.#connection
    this.#connection = undefined
    if (this.#isStale(error)) {
      this.#retried = true
      if (connection !== undefined) this.#route.release(connection)
      this.#route.start(this)
      return
    }
    if (connection !== undefined) this.#route.release(connection)
    if (!this.isDone) this.fail(this.#toError(error))
  }

  /** Whether the server had closed the connection before it could read the request, so that it may be sent again. */
  #isStale(error: Error & { readonly code?: string }): boolean {
    return this.#reused && !this.#retried && !this.isDone && this.status === 0 &&
      (error.code === "UND_ERR_SOCKET" || error.code === "ECONNRESET" || error.code === "EPIPE") &&
      performance.now() - this.#sentAt < staleWithin
  }

  #toError(error: Error & { readonly code?: string }): TransportError {
    if (error.code !== "UND_ERR_HEADERS_OVERFLOW") return broken(error)
    return new TransportError({
      reason: "LimitExceeded",
      description: "the headers of the response are too large",
      limit: "maxHeaderBytes",
      maximum: this.#route.maxHeaderBytes
    })
  }

  protected fail(error: TransportError): void {
    if (this.isDone) return
    this.abort()
    this.onFailure(error)
  }

  /** Ends the exchange without a word. A request that has no connection yet is never sent. */
  abort(): void {
    if (this.isDone) return
    this.#finish()
    this.#controller?.abort(new Error("aborted"))
  }

  protected resume(): void {
    this.#controller?.resume()
  }

  #finish(): void {
    this.isDone = true
    this.stopTimer()
  }

  protected stopTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
