/**
 * `npm run bench:streaming`: the client's CPU time for streamed answers over HTTP, from a simulator in a process of its
 * own, each way of reading them in turn and the turns interleaved. First 1,000 elements in pieces of 8 characters, then
 * lists of 10 KB to 10 MB. Prints medians in milliseconds; only ratios within one run mean anything.
 */
// oxlint-disable eslint/no-await-in-loop -- one after the other is the point
import { Effect, Schema, Stream } from "effect"
import { Extraction, ExtractionStream, Llm } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing"
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

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const measure = async (names: ReadonlyArray<string>, count: number, chunkSize: number, rounds: number) => {
  const { baseUrl, stop } = await startServer(chunkSize)
  const times = new Map(names.map((name) => [name, [] as Array<number>]))
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const time = await cpu(async () => {
        const got = await ways[name]!(baseUrl, count)
        if (got !== count) throw new Error(`${name}: ${got} of ${count}`)
      })
      if (round >= 0) times.get(name)!.push(time)
    }
  }
  stop()
  return new Map(Array.from(times, ([name, all]) => [name, median(all)]))
}

if (process.argv[2] === "serve") await Effect.runPromise(serve(Number(process.argv[3])))
else {
  const rounds = Number(process.argv[2] ?? 7)
  const first = await measure(Object.keys(ways), 1000, 8, rounds)
  const sdk = first.get("openai SDK's stream")!
  process.stdout.write(`1,000 elements of ${bytesOfItem} characters, pieces of 8, median of ${rounds}, CPU ms\n`)
  for (const [name, ms] of first) {
    process.stdout.write(`${name.padEnd(22)} ${ms.toFixed(0).padStart(6)}  ${(ms / sdk).toFixed(2)} of the SDK\n`)
  }
  process.stdout.write(`\nCPU ns for each byte of a list, pieces of 64 characters\n`)
  for (const bytes of [10_000, 100_000, 1_000_000, 10_000_000]) {
    const count = Math.round(bytes / bytesOfItem)
    const times = await measure(["elements", "partial"], count, 64, bytes > 1_000_000 ? 3 : rounds)
    const shown = Array.from(times, ([name, ms]) => `${name} ${(ms * 1e6 / bytes).toFixed(0).padStart(5)}`)
    process.stdout.write(
      `${String(bytes).padStart(9)} bytes: ${shown.join(", ")}; ` +
        `resident ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MB\n`
    )
  }
}
