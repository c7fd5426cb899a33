/** A TypeScript file run as its own process, the way a user runs it. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as path from "node:path"

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const root = path.join(import.meta.dirname, "../..")

/** Runs a script with tsx until it ends by itself; interruption kills it. */
export const runScript = (
  file: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = []
): Effect.Effect<Finished> =>
  Effect.callback((resume) => {
    const { OPENAI_API_KEY: _, OPENAI_BASE_URL: __, OPENAI_MODEL: ___, ...inherited } = process.env
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--conditions=effect-instructor/source", file, ...args],
      { cwd: root, env: { ...inherited, NODE_NO_WARNINGS: "1", ...env } }
    )
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (data) => stdout += data)
    child.stderr.on("data", (data) => stderr += data)
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
