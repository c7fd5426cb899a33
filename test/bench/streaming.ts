/**
 * `npm run bench:streaming`: the client's CPU time for streamed answers over HTTP, from a simulator in a process of its
 * own, each way of reading them in turn and the turns interleaved. First 1,000 elements in pieces of 8 characters, then
 * lists of 10 KB to 10 MB. Prints medians in milliseconds; only ratios within one run mean anything.
 */
// oxlint-disable eslint/no-await-in-loop -- one after the other is the point
import { Effect, Schema, Stream } from "effect"
import { type Completion, Extraction, ExtractionStream, Llm, Usage } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { JsonArray } from "effect/encoding"
import { spawn } from "node:child_process"
import { once } from "node:events"
import OpenAI from "openai"

const Item = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  email: Schema.String,
  tags: Schema.Array(Schema.String),
  active: Schema.Boolean
})
const item = Extraction.make({ schema: Item })
const object = Extraction.make({ schema: Schema.Struct({ items: Schema.Array(Item) }) })

const itemOf = (id: number): typeof Item.Type => ({
  id,
  name: `Person number ${id}`,
  email: `person.${id}@example.org`,
  tags: ["one", "a \"quoted\" tag", "ünïcödé"],
  active: id % 2 === 0
})
const bytesOfItem = JSON.stringify(itemOf(1000)).length

/** The simulator answers with as many items as the text asks for. */
const serve = (chunkSize: number) =>
  OpenAiSimulator.make({
    answer: ({ text }) => ({ items: Array.from({ length: Number(text) }, (_, id) => itemOf(id)) }),
    chunkSize
  }).pipe(
    Effect.tap(({ baseUrl }) => Effect.sync(() => process.stdout.write(`${baseUrl}\n`))),
    Effect.andThen(Effect.never),
    Effect.scoped
  )

const startServer = async (chunkSize: number) => {
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, "serve", String(chunkSize)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  // Whatever this process ends of, no server stays behind.
  process.once("exit", () => child.kill())
  const [line] = await once(child.stdout, "data")
  return { baseUrl: String(line).trim(), stop: () => child.kill() }
}

type Way = (baseUrl: string, count: number) => Promise<number>

const client = (baseUrl: string) => new OpenAI({ apiKey: "none", baseURL: baseUrl, maxRetries: 0 })
const body = (count: number) => ({
  model: "m",
  stream: true as const,
  messages: [{ role: "user" as const, content: String(count) }]
})
const withLlm = <A>(baseUrl: string, effect: Effect.Effect<A, unknown, Llm.Llm>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, OpenAi.layer({ baseUrl })))

const ways: Readonly<Record<string, Way>> = {
  "bytes alone (fetch)": async (baseUrl, count) => {
    const response = await client(baseUrl).chat.completions.create(body(count)).asResponse()
    let bytes = 0
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length
    return bytes > 0 ? count : 0
  },
  "openai SDK's stream": async (baseUrl, count) => {
    let text = ""
    for await (const chunk of await client(baseUrl).chat.completions.create(body(count))) {
      text += chunk.choices[0]?.delta.content ?? ""
    }
    return JSON.parse(text).items.length
  },
  "Llm.stream": (baseUrl, count) =>
    withLlm(
      baseUrl,
      Llm.Llm.use((llm) =>
        Stream.runCount(llm.stream({
          model: "m",
          messages: [{ role: "user", content: String(count) }],
          output: { mode: "markdown", name: "list", jsonSchema: {} },
          parameters: {}
        }))
      )
    ).then(() => count),
  "elements": (baseUrl, count) =>
    withLlm(baseUrl, Stream.runCount(ExtractionStream.values(item, String(count), { maxLength: 1e9 }))),
  "elements, JsonArray": (baseUrl, count) =>
    withLlm(
      baseUrl,
      Llm.Llm.use((llm) =>
        llm.stream({
          model: "m",
          messages: [{ role: "user", content: String(count) }],
          output: { mode: "markdown", name: "list", jsonSchema: {} },
          parameters: {}
        }).pipe(
          Stream.map((part) => part._tag === "TextDelta" ? part.delta : ""),
          Stream.pipeThroughChannel(JsonArray.decodeSchemaString(Item)({ pointer: "/items" })),
          Stream.runCount
        )
      )
    ),
  "partial": async (baseUrl, count) => {
    const last = await withLlm(
      baseUrl,
      Stream.runLast(ExtractionStream.partial(object, String(count), { maxLength: 1e9 }))
    )
    return last._tag === "Some" && last.value._tag === "Complete" ? last.value.value.items.length : 0
  }
}

const cpu = async (run: () => Promise<unknown>): Promise<number> => {
  globalThis.gc?.()
  const before = process.cpuUsage()
  await run()
  const { system, user } = process.cpuUsage(before)
  return (system + user) / 1000
}

/** The least bytes to read for one time. */
const least = 4_000_000

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

/** Each way in turn, the turns interleaved; the first round only warms up. */
const interleaved = async (names: ReadonlyArray<string>, rounds: number, run: (name: string) => Promise<unknown>) => {
  const times = new Map(names.map((name) => [name, [] as Array<number>]))
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const time = await cpu(() => run(name))
      if (round >= 0) times.get(name)!.push(time)
    }
  }
  return new Map(Array.from(times, ([name, all]) => [name, median(all)]))
}

/** A model in this process, which has written its answer already. */
const written = (count: number): Llm.Llm["Service"] => {
  const text = JSON.stringify({ items: Array.from({ length: count }, (_, id) => itemOf(id)) })
  const pieces = (text.match(/[^]{1,8}/g) ?? []).map((delta): Completion.CompletionPart => ({
    _tag: "TextDelta",
    delta
  }))
  const completion = { id: "", model: "m", text, toolCalls: [], finishReason: "stop", usage: Usage.zero } as const
  return Llm.make({
    provider: "written",
    model: "m",
    complete: () => Effect.succeed(completion),
    // As a connection would bring them: a few at a time.
    stream: () => Stream.fromIterable([...pieces, { _tag: "Finish" as const, completion }]).pipe(Stream.rechunk(4))
  })
}

const readers = {
  elements: (llm: Llm.Llm["Service"]) =>
    Stream.runCount(ExtractionStream.values(item, "x", { maxLength: 1e9 })).pipe(
      Effect.provideService(Llm.Llm, llm)
    ),
  partial: (llm: Llm.Llm["Service"]) =>
    Stream.runLast(ExtractionStream.partial(object, "x", { maxLength: 1e9 })).pipe(
      Effect.map((last) => last._tag === "Some" && last.value._tag === "Complete" ? last.value.value.items.length : 0),
      Effect.provideService(Llm.Llm, llm)
    )
}

const checked = (name: string, got: number, count: number): void => {
  if (got !== count) throw new Error(`${name}: ${got} of ${count}`)
}

if (process.argv[2] === "serve") await Effect.runPromise(serve(Number(process.argv[3])))
else {
  const rounds = Number(process.argv[2] ?? 7)
  const { baseUrl, stop } = await startServer(8)
  const first = await interleaved(
    Object.keys(ways),
    rounds,
    (name) => ways[name]!(baseUrl, 1000).then((got) => checked(name, got, 1000))
  )
  stop()
  const sdk = first.get("openai SDK's stream")!
  process.stdout.write(`1,000 elements of ${bytesOfItem} characters, pieces of 8, median of ${rounds}, CPU ms\n`)
  for (const [name, ms] of first) {
    process.stdout.write(`${name.padEnd(22)} ${ms.toFixed(0).padStart(6)}  ${(ms / sdk).toFixed(2)} of the SDK\n`)
  }
  process.stdout.write(`\nCPU ns for each byte of a list without HTTP, pieces of 8 characters, median of ${rounds}\n`)
  const sizes = [10_000, 100_000, 1_000_000, 10_000_000].map((bytes) => {
    const count = Math.round(bytes / bytesOfItem)
    return { bytes, count, llm: written(count) }
  })
  const cases = sizes.flatMap((size) => Object.entries(readers).map(([way, read]) => ({ ...size, way, read })))
  const times = await interleaved(cases.map((_, i) => String(i)), rounds, async (i) => {
    const { bytes, count, llm, read, way } = cases[Number(i)]!
    for (let done = 0; done < Math.max(bytes, least); done += bytes) {
      checked(way, await Effect.runPromise(read(llm)), count)
    }
  })
  for (const [i, { bytes, way }] of cases.entries()) {
    const ns = times.get(String(i))! * 1e6 / Math.max(bytes, least)
    process.stdout.write(`${String(bytes).padStart(9)} bytes, ${way.padEnd(9)} ${ns.toFixed(0).padStart(5)}\n`)
  }
}
