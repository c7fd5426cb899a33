/**
 * Many inputs through offline batches: memory, CPU of an item, and whether every result is right. The simulator runs in a
 * process of its own.
 *
 * npm run build && npm run bench:offline -- [--inputs 1000000] [--max-requests 50000]
 */
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, Result, Schedule, Schema, Stream } from "effect"
import { Batch } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    "max-requests": { type: "string", default: "50000" }
  }
})
const inputs = Number(values.inputs)

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })

const simulator = Effect.callback<{ readonly baseUrl: string; readonly stop: () => void }>((resume) => {
  const child = spawn(process.execPath, [...process.execArgv, path.join(import.meta.dirname, "offlineSimulator.ts")], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  child.stdout.once(
    "data",
    (data) => resume(Effect.succeed({ baseUrl: String(data).trim(), stop: () => child.kill() }))
  )
})

const program = Effect.gen(function*() {
  const { baseUrl } = yield* Effect.acquireRelease(simulator, ({ stop }) => Effect.sync(stop))
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "offline-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )
  const texts = Stream.range(0, inputs - 1).pipe(
    Stream.map((i) => `My name is John ${i} and I am ${i % 90} years old`)
  )
  const batches = new Set<string>()
  let right = 0
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 100)
  console.log(`memory at the start: ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MB`)
  const before = process.cpuUsage()
  const start = performance.now()
  yield* Batch.offline(Person, texts, {
    maxRequests: Number(values["max-requests"]),
    poll: Schedule.spaced("250 millis"),
    onStatus: ({ reference }) => Effect.sync(() => batches.add(reference.id))
  }).pipe(
    Stream.runForEachArray((items) =>
      Effect.sync(() => {
        for (const { index, result } of items) {
          if (
            Result.isSuccess(result) && result.success.name === `John ${index}` && result.success.age === index % 90
          ) {
            right++
          }
        }
      })
    ),
    Effect.provide([
      OpenAi.layerBatch({ baseUrl }),
      NodeJournal.layer({ path: path.join(directory, "batch.journal") }),
      NodeFileSystem.layer
    ])
  )
  clearInterval(watch)
  const { system, user } = process.cpuUsage(before)
  const seconds = (performance.now() - start) / 1000
  console.log(`${inputs} inputs in ${batches.size} batches: ${right} right, ${inputs - right} wrong`)
  console.log(
    `${seconds.toFixed(1)} s, ${((user + system) / inputs).toFixed(1)} µs of CPU an item (user ${
      (user / inputs).toFixed(1)
    })`
  )
  console.log(
    `memory: ${(peak / 2 ** 20).toFixed(0)} MB at most (maxRSS ${
      (process.resourceUsage().maxRSS / 1024).toFixed(0)
    } MB)`
  )
  if (right !== inputs) process.exitCode = 1
})

void Effect.runPromise(Effect.scoped(program))
