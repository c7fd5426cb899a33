/** `run --serve`: the report of a run while it goes on, on the loopback interface and for those who know its token. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import type * as Batch from "../../batch/Batch.ts"
import * as BatchReport from "../../batch/BatchReport.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as Results from "../input/results.ts"
import type { Row } from "../input/row.ts"
import type { Line } from "../output/lines.ts"

export interface LivePage {
  readonly url: string
  /** Adds items, with the lines of the output that have been made of them. */
  readonly add: (items: ReadonlyArray<Batch.Item<unknown, Row>>, lines: ReadonlyArray<Line>) => Effect.Effect<void>
  /** Waits until the open pages have the last items, for a few seconds at most. */
  readonly end: Effect.Effect<void>
}

export interface Options {
  /** 0 for any free port. */
  readonly port: number
  readonly title: string
  readonly figures: Effect.Effect<BatchReport.LiveFigures>
}

/** When a page has asked last, and whether it knows that the run is over. */
interface Reader {
  seenAt: number
  isDone: boolean
}

const host = "127.0.0.1"

/** A page asks every second, unless it is in the background. */
const presentMillis = 3000

export const open = Effect.fnUntraced(function*(
  { figures, port, title }: Options
): Effect.fn.Return<LivePage, CommandFailure, Scope.Scope> {
  const report = BatchReport.live({ title })
  const token = Crypto.randomBytes(24).toString("base64url")
  const readers = new Map<string, Reader>()

  const answer = Effect.fnUntraced(function*(query: URLSearchParams) {
    const from = Number(query.get("from"))
    if (!Number.isSafeInteger(from) || from < 0) return plain("from has to be a whole number", 400)
    const dropped = yield* report.dropped
    const all = yield* figures
    const text = yield* report.answer(
      from,
      dropped === 0 ? all : [...all, ["Not shown", `${dropped} items, to save memory`]]
    )
    const id = query.get("page") ?? ""
    if (readers.has(id)) {
      readers.set(id, { seenAt: yield* Clock.currentTimeMillis, isDone: text.startsWith(`{"done":true`) })
    }
    return HttpServerResponse.text(text, { headers, contentType: "application/json" })
  })

  const page = Effect.gen(function*() {
    const id = String(readers.size)
    readers.set(id, { seenAt: yield* Clock.currentTimeMillis, isDone: false })
    return HttpServerResponse.text(report.page(`items?token=${token}&page=${id}`), {
      headers,
      contentType: "text/html; charset=utf-8"
    })
  })

  const app = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = new URL(request.url, `http://${host}`)
    if (request.method !== "GET") return plain("Only GET", 405)
    // The name of another host means that a page of that host has sent the request.
    if (!/^(?:127\.0\.0\.1|localhost):\d+$/.test(request.headers["host"] ?? "")) return plain("Not this host", 403)
    if (!isSame(url.searchParams.get("token") ?? "", token)) {
      return plain("Open the URL that the command printed, with its token", 403)
    }
    return url.pathname === "/" ? yield* page : url.pathname === "/items" ? yield* answer(url.searchParams) : plain(
      "There is nothing here",
      404
    )
  })

  const node = Http.createServer()
  const server = yield* NodeHttpServer.make(() => node, { host, port, disablePreemptiveShutdown: true }).pipe(
    Effect.mapError(({ cause }) => usage(problemOf(port, cause)))
  )
  // An open page keeps its connection, and would keep the server from closing.
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  yield* HttpServer.serveEffect(app).pipe(Effect.provideService(HttpServer.HttpServer, server))

  const isAwaited = Effect.map(
    Clock.currentTimeMillis,
    (now) => Array.from(readers.values()).some(({ isDone, seenAt }) => !isDone && now - seenAt < presentMillis)
  )

  return {
    url: `${HttpServer.formatAddress(server.address)}/?token=${token}`,
    add: (items, lines) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => report.add(items.map((item, i) => entryOf(item, lines[i]!, now)))
      ),
    end: Effect.andThen(
      report.end,
      Effect.ignore(
        Effect.timeoutOption(
          Effect.repeat(isAwaited, { while: (isAwaited) => isAwaited, schedule: Schedule.spaced("50 millis") }),
          presentMillis
        )
      )
    )
  }
})

/** What `report` makes of the line, and what it takes from the input and the journal. */
const entryOf = (item: Batch.Item<unknown, Row>, line: Line, now: number): BatchReport.ReportEntry => {
  const whole = BatchReport.fromItem(item, { text: (row) => row._tag === "Text" ? row.text : row.description })
  const written = Results.toEntry(JSON.parse(line.text), item.index)
  return { ...whole, ...(!Predicate.isString(written) && { ...written, text: whole.text }), finishedAt: now }
}

const headers = {
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "content-security-policy": "frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin"
}

const plain = (text: string, status: number): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${text}\n`, { status, headers })

/** Takes the same time wherever they differ. */
const isSame = (given: string, token: string): boolean => {
  const [a, b] = [given, token].map((text) => Crypto.createHash("sha256").update(text).digest())
  return Crypto.timingSafeEqual(a!, b!)
}

const problemOf = (port: number, cause: unknown): string => {
  const { code } = cause as NodeJS.ErrnoException
  const problem = code === "EADDRINUSE"
    ? "the port is in use"
    : code === "EACCES"
    ? "only an administrator may use this port"
    : String(cause)
  return `--serve cannot listen on port ${port}: ${problem}. Use another port, or --serve alone for any free one`
}
