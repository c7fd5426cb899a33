/** An exchange whose response is read as it arrives. */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Dispatcher } from "undici"
import { bounded } from "../internal/fetchTransport.ts"
import { streamFactor } from "../internal/limits.ts"
import { isRedirect } from "../internal/redirect.ts"
import type { Head, Request, Response } from "../Transport.ts"
import type { TransportError } from "../TransportError.ts"
import * as Decoding from "./decoding.ts"
import { Exchange, type Route } from "./exchange.ts"

type Bytes = Stream.Stream<Uint8Array, TransportError>
type Opened = Effect.Effect<Response<Bytes>, TransportError, Scope.Scope>
type Resume = (effect: Opened) => void
type Follow = (head: Head) => Opened
type Chunks = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, TransportError>

/** The bytes to keep while they are not read, or not read fast enough. */
const highWaterMark = 64 * 1024

export class StreamExchange extends Exchange {
  readonly #resumeHead: Resume
  readonly #follow: Follow
  readonly #maximum: number
  #chunks: Array<Uint8Array> = []
  #buffered = 0
  #state: "waiting" | "open" | "ended" | TransportError = "waiting"
  #waiting: ((effect: Chunks) => void) | undefined

  constructor(
    request: Request,
    options: Dispatcher.DispatchOptions,
    millis: number | undefined,
    route: Route,
    resume: Resume,
    follow: Follow
  ) {
    const maximum = route.maximum * streamFactor
    super(options, millis, request, route, maximum)
    this.#resumeHead = resume
    this.#follow = follow
    this.#maximum = maximum
  }

  protected onHead(): void {
    this.stopTimer()
    this.#state = "open"
    const { headers, status } = this
    if (isRedirect(status, headers)) {
      this.abort()
      return this.#resumeHead(this.#follow({ status, headers }))
    }
    const chunks: Bytes = Stream.fromPull(Effect.succeed(Effect.suspend(() => this.#pull())))
    this.#resumeHead(Effect.succeed({
      status,
      headers,
      body: Decoding.stream(chunks, headers["content-encoding"], (chunks) => bounded(chunks, this.#maximum))
    }))
  }

  protected onChunk(chunk: Buffer, controller: Dispatcher.DispatchController): void {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    if (this.#buffered > highWaterMark) controller.pause()
    // A socket is read in a loop, so the chunks that arrived together are all here before the next microtask.
    if (this.#waiting !== undefined && this.#chunks.length === 1) queueMicrotask(this.#wake)
  }

  protected onEnd(): void {
    this.#state = "ended"
    this.#wake()
  }

  protected onFailure(error: TransportError): void {
    if (this.#state === "waiting") return this.#resumeHead(Effect.fail(error))
    this.#state = error
    this.#wake()
  }

  readonly #wake = (): void => {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    waiting(this.#pull())
  }

  #pull(): Chunks {
    const chunks = this.#chunks
    if (chunks.length > 0) {
      const isPaused = this.#buffered > highWaterMark
      this.#chunks = []
      this.#buffered = 0
      // Reads what the socket has at once, so it comes after.
      if (isPaused) this.resume()
      return Effect.succeed(chunks as ReadonlyArray<Uint8Array> as Arr.NonEmptyReadonlyArray<Uint8Array>)
    }
    if (this.#state === "open") {
      return Effect.callback((resume) => {
        this.#waiting = resume
        return Effect.sync(() => {
          this.#waiting = undefined
        })
      })
    }
    return typeof this.#state === "string" ? Cause.done() : Effect.fail(this.#state)
  }
}
