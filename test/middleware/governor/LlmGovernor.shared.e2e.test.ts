import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as net from "node:net"
import * as path from "node:path"
import { root, runScript } from "../../support/script.ts"

const requestsPerMinute = 600

const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379"

const hasRedis = await new Promise<boolean>((resolve) => {
  const { hostname, port } = new URL(redisUrl)
  const socket = net.connect(Number(port || 6379), hostname)
  socket.on("connect", () => {
    socket.destroy()
    resolve(true)
  })
  socket.on("error", () => resolve(false))
})
if (!hasRedis) console.warn(`No Redis at ${redisUrl}: skipping the test of limits shared between processes`)

describe("LlmGovernor.layerShared", () => {
  it.live.skipIf(!hasRedis)("keeps two processes on one Redis within a limit", () =>
    Effect.gen(function*() {
      // The server allows ten a second. Without sharing, each process would send ten.
      const simulator = yield* OpenAiSimulator.make({
        answer: () => ({}),
        limits: { requestsPerMinute, quantised: true, headers: false }
      })
      const script = path.join(root, "test/bench/governor/sharedProcess.ts")
      const args = [simulator.baseUrl, redisUrl, String(requestsPerMinute), "30"]
      const reports = yield* Effect.all([runScript(script, {}, args), runScript(script, {}, args)], {
        concurrency: "unbounded"
      })
      for (const { stderr, stdout } of reports) {
        assert.strictEqual(stderr, "")
        assert.deepStrictEqual(JSON.parse(stdout), { done: 30, lost: 0, rateLimited: 0 })
      }
      assert.strictEqual((yield* simulator.ledger).refused, 0)
    }), 60_000)
})
