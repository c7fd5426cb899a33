/**
 * `npm run bench:engine -- [items]`: what the batch engine costs without a network. Each part runs in a process of its own:
 *
 * - `memory`: items of 1 KB through `Batch.stream`, and how much memory the process takes meanwhile;
 * - `overhead`: a file of them through `Batch.resumable`, the journal and an output file, and the CPU time of an item;
 * - `resume`: how soon a run over a long journal sends its first request, and what the journal's index takes.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Result, Schema, Stream } from "effect"
import { Batch, type Completion, Extraction, Llm, Usage } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const [part, countText] = /^\d+$/.test(process.argv[2] ?? "") ? [undefined, process.argv[2]] : process.argv.slice(2)
const count = Number(countText ?? 1_000_000)

const Person = Schema.Struct({ id: Schema.Int, name: Schema.String })
const person = Extraction.make({ schema: Person })

/** Answers at once, or after a turn of the event loop, as a network would at the earliest. */
const constant = (later: boolean) =>
  Layer.sync(Llm.Llm, () => {
    const completion: Completion.Completion = {
      id: "1",
      model: "constant",
      text: `{"id":1,"name":"Ada"}`,
      toolCalls: [],
      finishReason: "stop",
      usage: { ...Usage.zero, inputTokens: 300, outputTokens: 10 }
    }
    const answer = Effect.succeed(completion)
    return Llm.make({
      provider: "constant",
      model: "constant",
      complete: () => later ? Effect.andThen(Effect.yieldNow, answer) : answer,
      stream: () => Stream.succeed({ _tag: "Finish", completion })
    })
  })

const filler = "Lorem ipsum dolor sit amet ".repeat(36)
const textOf = (index: number) => `Person ${index}: ${filler}`
// A source gives chunks; what one holds is in memory at once.
const source = Stream.map(Stream.rechunk(Stream.range(0, count - 1), 64), textOf)

const megabytes = (bytes: number) => Math.round(bytes / 1e6)
const cpu = () => {
  const { system, user } = process.cpuUsage()
  return user + system
}

const directory = process.env["BENCH_DIRECTORY"] ?? fs.mkdtempSync(path.join(os.tmpdir(), "bench-"))
const journalOf = (name: string) =>
  Effect.provide(NodeJournal.layer({ path: path.join(directory, name) }).pipe(Layer.provide(NodeFileSystem.layer)))
const journal = journalOf("journal")

const memory = Effect.gen(function*() {
  const samples: Array<number> = []
  let seen = 0
  yield* Batch.stream(person, source, { concurrency: 100 }).pipe(
    Stream.runForEach(({ result }) =>
      Effect.sync(() => {
        if (Result.isFailure(result)) throw new Error(result.failure.message)
        if (++seen % Math.ceil(count / 10) === 0) samples.push(megabytes(process.memoryUsage.rss()))
      })
    ),
    Effect.provide(constant(true))
  )
  const peak = process.resourceUsage().maxRSS / 1000
  return `memory: ${seen} items of 1 KB, 100 in flight: RSS ${samples.join(", ")} MB, peak ${Math.round(peak)} MB`
})

const overhead = Effect.gen(function*() {
  const system = yield* FileSystem.FileSystem
  const inputPath = path.join(directory, "input.jsonl")
  const input = fs.openSync(inputPath, "w")
  for (let i = 0; i < count; i++) fs.writeSync(input, `${JSON.stringify({ id: i, text: textOf(i) })}\n`)
  fs.closeSync(input)
  const lines = system.stream(inputPath, { chunkSize: 64 * 1024 }).pipe(Stream.decodeText, Stream.splitLines)
  const encode = Schema.encodeSync(Schema.toCodecJson(Schema.toType(Person)))

  const measure = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
    Effect.gen(function*() {
      const before = cpu()
      yield* effect
      return (cpu() - before) / count
    })

  const engine = measure(
    Batch.resumable(
      Extraction.make({ schema: Person, prompt: ({ text }: { readonly id: number; readonly text: string }) => text }),
      Stream.map(lines, (line) => JSON.parse(line) as { readonly id: number; readonly text: string }),
      { concurrency: 100, id: ({ id }) => String(id) }
    ).pipe(
      Stream.mapArray((items) => {
        let text = ""
        for (const { attempts, id, index, result, usage } of items) {
          if (Result.isFailure(result)) throw new Error(result.failure.message)
          text += `${JSON.stringify({ index, id, status: "ok", value: encode(result.success), attempts, usage })}\n`
        }
        return [text]
      }),
      Stream.encodeText,
      Stream.run(system.sink(path.join(directory, "output.jsonl"))),
      journalOf("overhead"),
      Effect.provide(constant(true))
    )
  )
  const noop = measure(
    Stream.runDrain(Stream.mapEffect(Stream.range(0, count - 1), () => Effect.yieldNow, { concurrency: 100 }))
  )
  const whole = yield* engine
  const bare = yield* noop
  return `overhead: ${whole.toFixed(1)} µs of CPU an item (read, parse, plan, claim, decode, journal, write); ` +
    `an empty Stream.mapEffect in the same process ${bare.toFixed(1)} µs`
}).pipe(Effect.provide(NodeFileSystem.layer))

const fill = Batch.resumable(person, source, { concurrency: 500 }).pipe(
  Stream.runDrain,
  journal,
  Effect.provide(constant(false)),
  Effect.as("")
)

const resume = Effect.gen(function*() {
  const llm = yield* Llm.Llm
  const start = performance.now()
  const before = process.memoryUsage().arrayBuffers
  const firstSent = (inputs: Stream.Stream<string>) =>
    Effect.gen(function*() {
      let sent: number | undefined
      let index = 0
      const complete: typeof llm.complete = (request) => {
        if (sent === undefined) {
          sent = performance.now()
          globalThis.gc?.()
          index = process.memoryUsage().arrayBuffers - before
        }
        return llm.complete(request)
      }
      yield* Batch.resumable(person, inputs, { concurrency: 100, emitRestored: false }).pipe(
        Stream.take(1),
        Stream.runDrain,
        Effect.provideService(Llm.Llm, Llm.Llm.of({ ...llm, complete }))
      )
      return { seconds: (sent! - start) / 1000, bytes: index / count }
    })
  const atOnce = yield* firstSent(Stream.concat(Stream.make("new"), source)).pipe(journal)
  const opened = atOnce.seconds
  const again = performance.now()
  yield* firstSent(Stream.concat(source, Stream.make("newer"))).pipe(journal)
  const passed = (performance.now() - again) / 1000
  return `resume: a journal of ${count} records sends its first request after ${opened.toFixed(2)} s and holds ` +
    `${atOnce.bytes.toFixed(0)} bytes an item; passing over ${count} finished items takes ${passed.toFixed(1)} s, ` +
    `${(passed / count * 1e6).toFixed(1)} µs each`
}).pipe(Effect.provide(constant(false)))

const parts = { memory, overhead, fill, resume }

if (part === undefined) {
  const start = (part: string, ...flags: ReadonlyArray<string>) => {
    if (flags.length > 0) console.log(flags.join(" "))
    execFileSync(process.execPath, [...process.execArgv, ...flags, import.meta.filename, part, String(count)], {
      stdio: "inherit",
      env: { ...process.env, BENCH_DIRECTORY: directory }
    })
  }
  // V8 lets its young generation grow as long as there is memory, and then keeps more in the old one.
  start("memory", "--max-semi-space-size=16")
  start("memory")
  start("overhead")
  start("fill")
  start("resume", "--expose-gc")
  fs.rmSync(directory, { recursive: true })
} else {
  const line = await Effect.runPromise(parts[part as keyof typeof parts])
  if (line !== "") console.log(line)
}
