/**
 * One request through an undici dispatcher, with its response in the shape of `fetch`.
 *
 * Written by hand because this is a hot path: `fetch` builds a request, a response, two lists of headers and three web
 * streams for each exchange, and an extraction needs a status, a dozen headers and a text. Without them an exchange takes
 * a quarter of the CPU time.
 */
// @effect-diagnostics newPromise:off
import type { Dispatcher } from "@effect/platform-node/Undici"
import { Duplex } from "node:stream"
import * as Zlib from "node:zlib"
import { ResponseHeaders } from "./responseHeaders.ts"

/** The bytes of a body to buffer while it is not read, or not read fast enough. */
const highWaterMark = 64 * 1024

interface Reader {
  readonly data: (chunk: Buffer) => void
  readonly end: () => void
  readonly fail: (error: unknown) => void
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly #url: string
  readonly #signal: AbortSignal | undefined
  readonly #resolve: (response: ExchangeResponse) => void
  #reject: (error: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  #chunks: Array<Buffer> = []
  #size = 0
  #state: "open" | "ended" | "failed" = "open"
  #error: unknown
  #reader: Reader | undefined

  constructor(
    url: string,
    signal: AbortSignal | undefined,
    resolve: (response: ExchangeResponse) => void,
    reject: (error: unknown) => void
  ) {
    this.#url = url
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    signal?.addEventListener("abort", this)
  }

  /** The signal was aborted. A request that has no connection yet is never sent. */
  handleEvent(): void {
    const reason: unknown = this.#signal?.reason
    this.#fail(reason)
    this.#controller?.abort(reason as Error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#state === "failed") controller.abort(this.#error as Error)
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | Array<string> | undefined>>,
    statusText = ""
  ): void {
    // Informational responses precede the response itself: 100 Continue, 103 Early Hints.
    if (status < 200) return
    this.#reject = () => {}
    this.#resolve(new ExchangeResponse(this, this.#url, status, statusText, headers))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#reader !== undefined) return this.#reader.data(chunk)
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size > highWaterMark) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#state !== "open") return
    this.#state = "ended"
    this.#release()
    this.#reader?.end()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error)
  }

  #fail(error: unknown): void {
    if (this.#state !== "open") return
    this.#state = "failed"
    this.#error = error
    this.#release()
    this.#reject(error)
    this.#reader?.fail(error)
  }

  #release(): void {
    this.#signal?.removeEventListener("abort", this)
  }

  /** The whole body. */
  bytes(): Promise<Buffer> {
    if (this.#state === "ended") return Promise.resolve(whole(this.#chunks))
    return new Promise((resolve, reject) => {
      const chunks: Array<Buffer> = []
      this.#read({ data: (chunk) => chunks.push(chunk), end: () => resolve(whole(chunks)), fail: reject })
    })
  }

  /** The body in chunks as they arrive, with backpressure. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (stream) =>
        this.#read({
          data: (chunk) => {
            stream.enqueue(chunk)
            if ((stream.desiredSize ?? 0) <= 0) this.#controller?.pause()
          },
          end: () => stream.close(),
          fail: (error) => stream.error(error)
        }),
      pull: () => this.#controller?.resume(),
      cancel: (reason) => this.cancel(reason)
    }, { highWaterMark, size: (chunk) => chunk?.byteLength ?? 0 })
  }

  cancel(reason: unknown): void {
    this.#reader = undefined
    this.#fail(reason)
    this.#controller?.abort(reason instanceof Error ? reason : new Error("The body was cancelled"))
  }

  #read(reader: Reader): void {
    const chunks = this.#chunks
    this.#chunks = []
    for (const chunk of chunks) reader.data(chunk)
    if (this.#state === "ended") return reader.end()
    if (this.#state === "failed") return reader.fail(this.#error)
    this.#reader = reader
    this.#controller?.resume()
  }
}

const whole = (chunks: ReadonlyArray<Buffer>): Buffer => chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)

const hasBody = (status: number): boolean => status !== 204 && status !== 205 && status !== 304

/** A response whose parts are created on demand. */
export class ExchangeResponse implements Response {
  readonly url: string
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly redirected = false
  readonly type = "default"
  readonly #exchange: Exchange
  #used = false
  #body: ReadableStream<Uint8Array> | undefined

  constructor(
    exchange: Exchange,
    url: string,
    status: number,
    statusText: string,
    headers: Readonly<Record<string, string | Array<string> | undefined>>
  ) {
    this.#exchange = exchange
    this.url = url
    this.status = status
    this.statusText = statusText
    this.headers = new ResponseHeaders(headers)
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  get bodyUsed(): boolean {
    return this.#used
  }

  get body(): ReadableStream<Uint8Array> | null {
    return hasBody(this.status) ? this.#body ??= this.#decoded() : null
  }

  text(): Promise<string> {
    return this.bytes().then(toText)
  }

  json(): Promise<unknown> {
    return this.text().then((text) => JSON.parse(text) as unknown)
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.bytes().then((bytes) => new Uint8Array(bytes).buffer)
  }

  blob(): Promise<Blob> {
    return this.bytes().then((bytes) =>
      new Blob([new Uint8Array(bytes)], { type: this.headers.get("content-type") ?? "" })
    )
  }

  bytes(): Promise<Uint8Array> {
    if (this.#used || this.#body?.locked === true) return Promise.reject(new TypeError("Body is unusable"))
    this.#used = hasBody(this.status)
    return this.#body === undefined && !this.headers.has("content-encoding")
      ? this.#exchange.bytes()
      : new Response(this.body).bytes()
  }

  formData(): Promise<FormData> {
    return this.#standard().formData()
  }

  clone(): Response {
    return this.#standard()
  }

  /** A standard response, for methods that are rarely used. It takes over the body. */
  #standard(): Response {
    const { headers, status, statusText } = this
    if (!hasBody(status)) return new Response(null, { headers, status, statusText })
    const [one, other] = this.#decoded().tee()
    this.#body = one
    return new Response(other, { headers, status, statusText })
  }

  /** Requests ask for no compression, because answers are short, but some servers compress anyway. */
  #decoded(): ReadableStream<Uint8Array> {
    if (this.#body !== undefined) return this.#body
    const encodings = (this.headers.get("content-encoding") ?? "").toLowerCase().split(",").map((name) => name.trim())
    return encodings.reduceRight((stream, encoding) => {
      const decoder = decoders.get(encoding)?.()
      return decoder === undefined ? stream : stream.pipeThrough(Duplex.toWeb(decoder) as TransformStream)
    }, this.#exchange.stream())
  }
}

const decoders: ReadonlyMap<string, () => Duplex> = new Map<string, () => Duplex>([
  ["gzip", Zlib.createGunzip],
  ["x-gzip", Zlib.createGunzip],
  ["deflate", Zlib.createInflate],
  ["br", Zlib.createBrotliDecompress],
  ["zstd", Zlib.createZstdDecompress]
])

const toText = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return text.startsWith("\uFEFF") ? text.slice(1) : text
}
