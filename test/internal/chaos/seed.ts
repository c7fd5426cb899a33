/**
 * One seed of the chaos: the same batch is run again and again on a disk in memory, in virtual time, against a hostile
 * server. Runs are killed in the midst of a write, lose their power, are interrupted, and run out of disk or of files;
 * bits of their files flip in between. In the end a run without faults has to complete the output.
 */
// One thing after another is what these loops are for.
/* oxlint-disable eslint/no-await-in-loop */
import { Cause, Console, Effect, Exit, FileSystem, Latch, Layer, Logger, Path, Redacted, Stdio } from "effect"
import { Llm, LlmCache, LlmGovernor, Transport } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import * as RunBatch from "../../../src/cli/commands/runBatch.ts"
import * as Defects from "../../../src/cli/defects.ts"
import * as RunFiles from "../../../src/cli/output/runFiles.ts"
import * as ProgressText from "../../../src/cli/progress/progressText.ts"
import type { ProgressView } from "../../../src/cli/progress/progressView.ts"
import { Stopping } from "../../../src/cli/stopping.ts"
import * as ByteLines from "../../../src/internal/byteLines.ts"
import { okStatus } from "../../../src/internal/journalIndex.ts"
import { printable } from "../../../src/internal/printable.ts"
import * as JournalLine from "../../../src/node/journal/internal/journalLine.ts"
import * as Disk from "./disk.ts"
import * as Process from "./process.ts"
import * as Random from "./random.ts"
import * as Server from "./server.ts"
import * as Time from "./time.ts"

export interface Counts {
  runs: number
  kills: number
  powerFailures: number
  interrupts: number
  fullDisks: number
  tooManyFiles: number
  failedSyncs: number
  flips: number
  cuts: number
  jumps: number
  faults: number
  /** Answers that were billed and lost with a process, and not by the server. */
  unrecorded: number
  paidTwice: number
}

export const noCounts = (): Counts => ({
  runs: 0,
  kills: 0,
  powerFailures: 0,
  interrupts: 0,
  fullDisks: 0,
  tooManyFiles: 0,
  failedSyncs: 0,
  flips: 0,
  cuts: 0,
  jumps: 0,
  faults: 0,
  unrecorded: 0,
  paidTwice: 0
})

export interface Outcome {
  readonly violations: ReadonlyArray<string>
  /** What was done, in order. */
  readonly trace: ReadonlyArray<string>
  readonly counts: Counts
}

const [input, output, journal, cache] = ["/work/in.jsonl", "/work/out.jsonl", "/work/out.jsonl.journal", "/work/cache"]

/** What no run may touch. The last two are names that older versions gave to temporary files. */
const canaries: Readonly<Record<string, string>> = {
  "/work/mine.txt": "mine",
  "/work/out.jsonl.new": "mine, too",
  "/work/out.jsonl.sorted": "and mine"
}

interface Item {
  readonly id: string
  readonly text: string
}

type Accident = "none" | "kill" | "power" | "interrupt" | "full" | "files" | "sync"

interface Ended {
  /** Nothing if the process was killed. */
  readonly code: number | undefined
  readonly accident: Accident
  readonly concurrency: number
  readonly errors: string
  readonly isLimited: boolean
}

export const run = async (seed: number, itemCount: number): Promise<Outcome> => {
  const random = Random.make(seed)
  const { below, chance, pick } = random
  const counts = noCounts()
  const violations: Array<string> = []
  const trace: Array<string> = []
  const expect = (holds: boolean, what: () => string): void => {
    if (!holds) violations.push(what())
  }
  const time = Time.make(Random.make(seed + 0x1000))
  const disk = Disk.make(time.wall)
  const key = `sk-chaos-${seed}-${below(2 ** 31).toString(36)}-secret`
  const server = Server.make({
    random: Random.make(seed + 0x2000),
    time,
    key,
    latencyMillis: 20 + below(400),
    textOf: (body) => /item\d+ says x*/.exec(body)![0]
  })

  const hasIds = chance(0.5)
  const hasCache = chance(0.4)
  const isOrdered = chance(0.5)
  // So that the journal needs more room than it has at first.
  const longest = chance(0.3) ? 1500 : 40
  // Some texts are equal. Without ids, their number tells them apart.
  let items: ReadonlyArray<Item> = Array.from({ length: itemCount }, (_, i) => ({
    id: `id${i}`,
    text: `item${hasIds ? i : i - i % 7 % 2} says ${"x".repeat(i % 7 < 2 ? 3 : i * 13 % longest)}`
  }))

  const inputText = () => items.map((item) => `${JSON.stringify(item)}\n`).join("")
  disk.create("/work", "Directory", 0o755)
  disk.put(input, inputText())
  for (const [name, content] of Object.entries(canaries)) disk.put(name, content)
  disk.sync(disk.find("/")!, "/")

  const start = async (accident: Accident): Promise<Ended> => {
    counts.runs++
    const machine = Process.make({ disk, random, began: `${counts.runs}` })
    const concurrency = 1 + below(20)
    const limit = server.isHostile && chance(0.2) ? 1 + below(itemCount) : undefined
    const errors: Array<string> = []
    const print = (text: string): void => {
      errors.push(text)
    }
    const stopping = Latch.makeUnsafe(false)
    let isOver = false
    let interrupt = () => {}

    const begin = (interruptRun: () => void): void => {
      interrupt = interruptRun
      const soon = time.now() + below(3000)
      switch (accident) {
        case "kill":
        case "power":
          // Somewhere in the start, the run or its end.
          if (chance(0.7)) machine.killedAt = 1 + below(8 + 3 * itemCount)
          else time.at(soon, () => machine.isAlive = false)
          break
        case "interrupt":
          time.at(soon, () => {
            stopping.openUnsafe()
            interrupt()
          })
          if (chance(0.3)) time.at(soon + 1000 + below(2000), () => machine.isAlive = false)
          break
        case "full":
          time.at(soon, () => disk.capacity = disk.used() + below(3000))
          if (chance(0.5)) time.at(soon + below(20_000), () => disk.capacity = Infinity)
          break
        case "files":
          time.at(soon, () => machine.maxOpenFiles = machine.openFiles() + below(2))
          break
        case "sync":
          time.at(soon, () => machine.failingSyncs = 0.3)
          break
        case "none":
      }
      for (let jumps = below(3); server.isHostile && jumps > 0; jumps--) {
        counts.jumps++
        const millis = pick([-86_400_000, -3_600_000, -1000, 60_000, 86_400_000])
        time.at(time.now() + below(5000), () => time.jump(millis))
      }
    }

    const view: ProgressView = {
      style: "plain",
      print: (text) => Effect.sync(() => print(printable(text))),
      show: (status) =>
        Effect.map(status, (status) => print(ProgressText.line(status))).pipe(
          Effect.andThen(Effect.sleep("5 seconds")),
          Effect.forever,
          Effect.forkScoped,
          Effect.asVoid
        )
    }
    const options: RunBatch.Options = {
      schema: "{ echo }",
      input,
      output,
      journal: undefined,
      textField: undefined,
      idField: hasIds ? "id" : undefined,
      limit,
      format: undefined,
      delimiter: undefined,
      concurrency,
      rpm: undefined,
      tpm: undefined,
      maxFailures: server.isHostile && chance(0.1) ? 1 + below(5) : undefined,
      minConfidence: undefined,
      ordered: isOrdered ? chance(0.8) : chance(0.2),
      restart: false,
      yes: false,
      retryFailures: !server.isHostile || chance(0.7),
      grace: pick(["30 seconds", "100 millis"] as const) as never,
      baseUrl: undefined,
      requestTimeout: undefined,
      engine: "direct",
      finish: undefined,
      deadline: undefined,
      poll: undefined,
      serve: undefined
    }
    const llm = Llm.stack({
      provider: OpenAi.layerProvider({ apiKey: Redacted.make(key), baseUrl: "https://chaos.test/v1", model: "m" }),
      governor: LlmGovernor.layer(chance(0.2) ? { requestsPerMinute: 600 } : {}),
      cache: hasCache ? LlmCache.layer({ store: LlmCache.layerStoreFiles({ directory: cache }) }) : undefined
    }).pipe(Layer.provide(Layer.succeed(Transport.Transport, server.transport)))
    const program = Effect.gen(function*() {
      yield* RunFiles.check({ ...options, cache: hasCache ? cache : undefined, instructionsFile: undefined })
      return yield* Effect.scoped(RunBatch.run(options, view)).pipe(Effect.provide(llm))
    }).pipe(
      Effect.tapError((error) => Effect.sync(() => print(printable(error.message)))),
      Defects.reported,
      Effect.provide([Path.layer, Stdio.layerTest({})]),
      Effect.provideService(FileSystem.FileSystem, machine.fileSystem),
      Effect.provideService(Stopping, stopping),
      Effect.provideService(Console.Console, consoleOf(print)),
      Effect.provideService(
        Logger.CurrentLoggers,
        new Set([Logger.make(({ message }) => print(printable([message].flat().map(String).join(" "))))])
      )
    )
    trace.push(
      `${accident}, ${concurrency} at once${options.ordered ? ", ordered" : ""}${
        limit === undefined ? "" : `, limit ${limit}`
      }`
    )
    const exit = await time.run(program, { isOver: () => isOver || !machine.isAlive, onStart: begin })
    isOver = true
    disk.capacity = Infinity
    const code = exit === undefined
      ? undefined
      : Exit.isSuccess(exit)
      ? 0
      : Cause.hasInterruptsOnly(exit.cause)
      ? 130
      : (Cause.findErrorOption(exit.cause) as { readonly value?: { readonly exitCode?: number } }).value?.exitCode ?? 70
    trace.push(`  ended with ${code} at ${time.now()}, ${machine.changes} changes`)
    return { code, accident, concurrency, errors: errors.join("\n"), isLimited: limit !== undefined }
  }

  const linesOf = (text: string): ReadonlyArray<Record<string, unknown>> =>
    text.split("\n").filter((line) => line !== "").flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>]
      } catch {
        return []
      }
    })

  const check = ({ code, errors }: Ended): void => {
    expect(code !== 70 && !/^\s+at /m.test(errors), () => `a defect: ${errors.slice(0, 1500)}`)
    expect(!errors.includes("\u001b"), () => "a control character on standard error")
    expect(!errors.includes(key), () => `the key is on standard error: ${errors.slice(0, 600)}`)
    for (const [name, content] of Object.entries(canaries)) {
      expect(String(Buffer.from(disk.read(name) ?? [])) === content, () => `${name} was touched`)
    }
    expect(String(Buffer.from(disk.read(input)!)) === inputText(), () => "the input was touched")
    const secrets = [key, Buffer.from(key).toString("base64")]
    const visit = (directory: string): void => {
      for (const name of disk.names(directory)) {
        const path = `${directory}/${name}`
        if (disk.find(path)?.type === "Directory") visit(path)
        const content = Buffer.from(disk.read(path)!)
        expect(!secrets.some((secret) => content.includes(secret)), () => `the key is in ${path}`)
        expect(
          disk.find(path)!.type !== "File" || path in canaries || path === input || disk.find(path)!.mode === 0o600,
          () => `${path} can be read by others`
        )
      }
    }
    visit("/work")
  }

  /** The number of items that the journal has a value of. */
  const recorded = (): number => {
    const bytes = disk.read(journal) ?? new Uint8Array(0)
    const keys = new Set<string>()
    ByteLines.make().push(bytes, (bytes, start, end) => {
      const prefix = JournalLine.parsePrefix(bytes, start, end)
      if (prefix?.status === okStatus) keys.add(Object.values(prefix.key).join(" "))
    })
    return keys.size
  }

  const damage = (path: string): void => {
    const bytes = disk.read(path)
    if (bytes === undefined || bytes.length < 200) return
    if (chance(0.6)) {
      // Not in the first line of a journal: without it, the file is refused as one of something else.
      const from = path === journal ? 60 : 0
      const at = from + below(bytes.length - from)
      bytes[at]! ^= 1 << below(8)
      disk.put(path, bytes)
      counts.flips++
      trace.push(`flip ${path} at ${at}`)
      return
    }
    const length = Math.max(60, bytes.length - below(800))
    disk.put(path, bytes.subarray(0, length))
    counts.cuts++
    trace.push(`cut ${path} to ${length}`)
  }

  const cachedFiles = (directory = cache): ReadonlyArray<string> =>
    disk.names(directory).flatMap((name) => {
      const path = `${directory}/${name}`
      return disk.find(path)?.type === "Directory" ? cachedFiles(path) : [path]
    })

  /** How many answers a run may have been billed for without having recorded them. */
  const allowed = ({ accident, code, concurrency }: Ended): number =>
    accident === "power"
      // Records are synced after 50 milliseconds.
      ? concurrency + server.answeredSince(60)
      : code === undefined || accident === "interrupt" || accident === "sync" ||
          // More than the room that the journal keeps for what is in flight.
          accident === "full" && concurrency * (longest + 300) > 16_000
      ? concurrency
      : 0

  const runOnce = async (accident: Accident): Promise<Ended> => {
    const before = { answers: server.answers(), lost: server.lost, recorded: recorded() }
    const end = await start(accident)
    if (accident === "power") disk.powerFailure(random)
    check(end)
    const unrecorded = server.answers() - before.answers - (server.lost - before.lost) - recorded() + before.recorded
    expect(
      unrecorded <= allowed(end),
      () => `${unrecorded} answers were billed and not recorded, with ${allowed(end)} allowed`
    )
    counts.unrecorded += Math.max(0, unrecorded)
    return end
  }

  for (let step = 2 + below(3); step > 0; step--) {
    const { accident, code, isLimited } = await runOnce(
      pick<Accident>(["none", "kill", "kill", "kill", "power", "power", "interrupt", "full", "files", "sync"])
    )
    if (accident === "power") counts.powerFailures++
    else if (code === undefined) counts.kills++
    if (accident === "interrupt") counts.interrupts++
    if (accident === "full") counts.fullDisks++
    if (accident === "files") counts.tooManyFiles++
    if (accident === "sync") counts.failedSyncs++
    if (accident === "none" && !isLimited && (code === 0 || code === 3)) {
      disk.powerFailure(random)
      const { length } = linesOf(Buffer.from(disk.read(output) ?? []).toString())
      expect(length === itemCount, () => `${length} lines of a finished output after a power failure`)
    }
    if (chance(0.4)) damage(journal)
    if (chance(0.3)) damage(output)
    if (hasCache && chance(0.5)) { for (const path of cachedFiles()) if (chance(0.2)) damage(path) }
    if (chance(0.2)) {
      items = random.shuffled(items)
      disk.put(input, inputText())
      trace.push("shuffle the input")
    }
  }

  server.isHostile = false
  const last = await runOnce("none")
  const left = disk.names("/work").filter((name) => name.startsWith(".effect-instructor") || name.endsWith(".lock"))
  expect(left.length === 0, () => `left behind: ${left.join(", ")}`)
  // What a run has finished stays finished.
  disk.powerFailure(random)
  expect(last.code === 0, () => `the last run ended with ${last.code}: ${last.errors.slice(0, 600)}`)
  const text = Buffer.from(disk.read(output) ?? []).toString()
  const lines = linesOf(text)
  expect(
    text.split("\n").length === lines.length + 1,
    () => `lines that are not JSON: ${JSON.stringify(notJson(text))}`
  )
  expect(lines.length === itemCount, () => `${lines.length} lines for ${itemCount} inputs`)
  expect(new Set(lines.map(({ index }) => index)).size === itemCount, () => "an input has no line")
  for (const { id, index, status, value } of lines) {
    const item = items[index as number]
    const echo = (value as { readonly echo?: string } | undefined)?.echo
    expect(status === "ok", () => `item ${String(index)} failed`)
    expect(id === (hasIds ? item?.id : String(index)), () => `item ${String(index)} has the id ${String(id)}`)
    expect(echo === item?.text, () => `a wrong value at ${String(index)}: ${JSON.stringify(value)}`)
  }
  if (isOrdered && last.code === 0 && trace.at(-2)?.includes("ordered")) {
    expect(lines.every(({ index }, i) => index === i), () => "the output is not in order")
  }
  const wanted = new Map<string, number>()
  for (const { text } of items) wanted.set(text, (wanted.get(text) ?? 0) + 1)
  for (const [text, count] of server.billed) counts.paidTwice += Math.max(0, count - wanted.get(text)!)
  counts.faults += server.faults
  return { violations, trace, counts }
}

const isJson = (line: string): boolean => {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

const notJson = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "" && !isJson(line))

const consoleOf = (print: (text: string) => void): Console.Console =>
  new Proxy({} as Console.Console, {
    get: () => (...args: ReadonlyArray<unknown>) => print(args.map(String).join(" "))
  })
