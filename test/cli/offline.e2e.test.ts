import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as Command from "../support/command.ts"

const timeout = 120_000

const setup = (simulator: Partial<OpenAiSimulator.Options> = {}) =>
  Effect.gen(function*() {
    const { baseUrl } = yield* OpenAiSimulator.make({ answer: Command.answerPerson, ...simulator })
    const cwd = yield* Command.folder({
      "person.ts": Command.personSchema,
      "texts.txt": `${Command.people(5).join("\n")}\n`
    })
    const env = { OPENAI_BASE_URL: baseUrl }
    return {
      cwd,
      run: (args: ReadonlyArray<string>) => Command.run(args, { cwd, env }),
      start: (args: ReadonlyArray<string>) => Command.start(args, { cwd, env })
    }
  })

const offline = [
  "run",
  "--schema",
  "person.ts#Person",
  "--input",
  "texts.txt",
  "--output",
  "out.jsonl",
  "--engine",
  "offline",
  "--poll",
  "100ms"
]

describe("run --engine offline", () => {
  it.live("writes the same lines as online, and resumes without sending anything", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup()
      const { code, stderr } = yield* run(offline)
      assert.include(stderr, "5 succeeded, 0 failed")
      assert.strictEqual(code, 0)
      const lines = Command.readLines(cwd, "out.jsonl")
      assert.strictEqual(lines.length, 5)
      const online = yield* run([...offline.slice(0, -4), "--quiet"])
      assert.strictEqual(online.code, 0)
      const listed = yield* run(["batch", "list", "--json"])
      assert.strictEqual(listed.stdout.trim().split("\n").length, 1)
      const [batch] = listed.stdout.trim().split("\n").map((line) =>
        JSON.parse(line) as { reference: { id: string }; status: string; counts: { completed: number } }
      )
      assert.deepStrictEqual([batch!.status, batch!.counts.completed], ["completed", 5])
      const table = yield* run(["batch", "status", batch!.reference.id])
      assert.match(table.stdout, /ID +STATUS +DONE/)
      assert.match(table.stdout, /batch_0 +completed +5\/5/)
    }), timeout)

  it.live("fails for a batch that does not exist", () =>
    Effect.gen(function*() {
      const { run } = yield* setup()
      const { code, stderr } = yield* run(["batch", "cancel", "batch_9"])
      assert.strictEqual(code, 4)
      assert.include(stderr, "batch_9")
    }), timeout)
})
