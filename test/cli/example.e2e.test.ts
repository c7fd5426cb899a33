import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as path from "node:path"
import * as Command from "../support/command.ts"
import { root } from "../support/script.ts"

describe("the shell example", () => {
  it.live("is interrupted, and resumes", () =>
    Effect.gen(function*() {
      const { OPENAI_API_KEY: _, OPENAI_BASE_URL: __, ...env } = process.env
      const stdout = yield* Effect.callback<string>((resume) => {
        const child = execFile(
          "sh",
          [path.join(root, "examples/shell/resume.sh")],
          { env: { ...env, NODE_NO_WARNINGS: "1" } },
          (_, stdout) => resume(Effect.succeed(stdout))
        )
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      const [first, second, ...lines] = stdout.trim().split("\n")
      assert.strictEqual(first, "exit code 130")
      assert.strictEqual(second, "exit code 0")
      assert.deepStrictEqual(Command.parseLines(lines.join("\n")).map(({ value }) => value.age), [1, 2])
    }), 120_000)
})
