/**
 * The CPU of an extraction next to that of bare undici with Zod, and of the bare SDK, in one process, turn and turn about.
 * Prints all as JSON: the least of many short runs, for that is what neither a compiler nor a neighbour disturbed.
 */
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { spawn } from "node:child_process"
import * as path from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { OpenAI } from "openai"
import { Pool } from "undici"
import { z } from "zod"

const [count, concurrency, rounds] = [500, 32, Number(process.argv[2] ?? 20)]
const texts = Array.from({ length: count }, (_, i) => `My name is John and I am ${i % 100} years old`)

const server = spawn(process.execPath, [path.join(import.meta.dirname, "../bench/peers/server.mjs")])
const port = await new Promise<string>((resolve) => server.stdout.once("data", (data) => resolve(String(data).trim())))
const baseURL = `http://127.0.0.1:${port}/v1`

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }), name: "Person" })
const request = Effect.runSync(Effect.fromResult(Extraction.toRequest(person, "", { model: "gpt-5.4-mini" })))
const schema = Result.getOrThrow(Extraction.jsonSchema(person)) as Record<string, unknown>
const llm = OpenAi.layer({ baseUrl: baseURL })

const library = Effect.forEach(texts, (text) => Extraction.extract(person, text), { concurrency, discard: true }).pipe(
  Effect.provide(llm)
)

const client = new OpenAI({ apiKey: "none", baseURL, maxRetries: 0 })
const ask = async (text: string) => {
  const { choices } = await client.chat.completions.create({
    model: request.model,
    messages: [{ role: "system", content: request.messages[0]!.content as string }, { role: "user", content: text }],
    response_format: {
      type: "json_schema",
      json_schema: { name: "Person", schema, strict: true }
    }
  })
  return JSON.parse(choices[0]!.message.content!) as unknown
}
const all = (one: (text: string) => Promise<unknown>) => async () => {
  let next = 0
  const work = async () => {
    while (next < count) await one(texts[next++]!)
  }
  await Promise.all(Array.from({ length: concurrency }, work))
}
const sdk = all(ask)

const pool = new Pool(`http://127.0.0.1:${port}`)
const Person = z.object({ name: z.string(), age: z.number().int() })
const undici = all(async (text) => {
  const { body } = await pool.request({
    path: "/v1/chat/completions",
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer none" },
    body: JSON.stringify({
      model: request.model,
      messages: [{ role: "system", content: request.messages[0]!.content }, { role: "user", content: text }],
      response_format: { type: "json_schema", json_schema: { name: "Person", schema, strict: true } }
    })
  })
  const { choices } = await body.json() as { choices: ReadonlyArray<{ message: { content: string } }> }
  return Person.parse(JSON.parse(choices[0]!.message.content))
})

// Nobody is to clear up after the one before.
setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as (options: { readonly type: "minor" }) => void

const cpuOf = async (run: () => Promise<unknown>): Promise<number> => {
  collectGarbage({ type: "minor" })
  const before = process.cpuUsage()
  await run()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / count
}

const least = { library: Infinity, undici: Infinity, sdk: Infinity }
for (let round = 0; round < rounds; round++) {
  least.sdk = Math.min(least.sdk, await cpuOf(sdk))
  least.undici = Math.min(least.undici, await cpuOf(undici))
  least.library = Math.min(least.library, await cpuOf(() => Effect.runPromise(library)))
}
process.stdout.write(
  JSON.stringify({ ...least, toUndici: least.library / least.undici, toSdk: least.library / least.sdk })
)
server.kill()
process.exit(0)
