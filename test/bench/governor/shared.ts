/** Two processes on one Redis, and what happens when it dies: over HTTP in real time. */
import { Effect, Schedule } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { spawn } from "node:child_process"
import * as net from "node:net"
import * as path from "node:path"

const requestsPerMinute = 1200
const port = 6399
const node = process.execPath
const script = path.join(import.meta.dirname, "sharedProcess.ts")

interface Report {
  readonly done: number
  readonly lost: number
  readonly rateLimited: number
  readonly warned: boolean
}

const accepts = Effect.callback<boolean>((resume) => {
  const socket = net.connect(port, "127.0.0.1")
  socket.on("connect", () => {
    socket.destroy()
    resume(Effect.succeed(true))
  })
  socket.on("error", () => resume(Effect.succeed(false)))
})

const redis = Effect.acquireRelease(
  Effect.gen(function*() {
    const server = spawn("redis-server", ["--port", String(port), "--save", "", "--appendonly", "no"], {
      stdio: "ignore"
    })
    yield* Effect.repeat(accepts, { until: (accepted) => accepted, schedule: Schedule.spaced("50 millis") })
    return server
  }),
  (server) => Effect.sync(() => server.kill("SIGKILL"))
)

const child = (baseUrl: string, count: number): Effect.Effect<Report> =>
  Effect.callback((resume) => {
    const process = spawn(node, [
      "--import",
      "tsx",
      "-C",
      "effect-instructor/source",
      script,
      baseUrl,
      `redis://127.0.0.1:${port}`,
      String(requestsPerMinute),
      String(count)
    ])
    let stdout = ""
    let stderr = ""
    process.stdout.on("data", (data) => stdout += data)
    process.stderr.on("data", (data) => stderr += data)
    process.on("exit", () => {
      const line = stdout.trim().split("\n").at(-1) ?? ""
      resume(
        line.startsWith("{")
          ? Effect.succeed({ ...JSON.parse(line), warned: stderr.includes("does not answer") } as Report)
          : Effect.die(new Error(stderr))
      )
    })
    return Effect.sync(() => process.kill("SIGKILL"))
  })

/** `dies` stops Redis in the middle of the run. */
export const runShared = (options: { readonly seconds: number; readonly dies: boolean }) =>
  Effect.gen(function*() {
    const server = yield* redis
    const simulator = yield* OpenAiSimulator.make({
      answer: () => ({}),
      latency: "500 millis",
      limits: { requestsPerMinute },
      keep: 1
    })
    const count = Math.floor(requestsPerMinute / 60 * options.seconds / 2)
    const measured = Effect.gen(function*() {
      while ((yield* simulator.ledger).granted < requestsPerMinute / 60 * 5) yield* Effect.sleep("100 millis")
      const before = (yield* simulator.ledger).granted
      const start = performance.now()
      if (options.dies) {
        yield* Effect.sleep(`${options.seconds / 4} seconds`)
        server.kill("SIGKILL")
        return 0
      }
      yield* Effect.sleep(`${options.seconds - 10} seconds`)
      return ((yield* simulator.ledger).granted - before) / ((performance.now() - start) / 60_000) / requestsPerMinute
    })
    const [use, one, other] = yield* Effect.all([
      measured,
      child(simulator.baseUrl, count),
      child(simulator.baseUrl, count)
    ], {
      concurrency: "unbounded"
    })
    return {
      use,
      done: one.done + other.done,
      lost: one.lost + other.lost,
      refused: (yield* simulator.ledger).refused,
      warned: one.warned && other.warned,
      expected: count * 2
    }
  }).pipe(Effect.scoped)
