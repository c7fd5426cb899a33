import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as Command from "../support/command.ts"

describe("waits of the command", () => {
  it.live("tells what extract waits for, and gives up in time", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.make({
        answer: () => Fault.error(429, { message: "slow \u001b[31mdown" })
      })
      const cwd = yield* Command.folder({ "person.ts": Command.personSchema })
      const args = ["extract", "--schema", "person.ts", "--give-up-after", "4s", "--request-timeout", "2s", "Ada"]
      const { code, stderr, stdout } = yield* Command.run(args, { cwd, env: { OPENAI_BASE_URL: baseUrl } })
      assert.match(stderr, /^waiting/m)
      assert.include(stderr, "giveUpAfter")
      assert.notInclude(stderr, "\u001b")
      assert.strictEqual(stdout, "")
      assert.strictEqual(code, 4)
    }), 60_000)
})
