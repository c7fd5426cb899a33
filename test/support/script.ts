/** A TypeScript file run as its own process, the way a user runs it. */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import * as os from "node:os"
import * as path from "node:path"

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const root = path.join(import.meta.dirname, "../..")

/** The tests start about a hundred processes, which all load the same modules. */
export const compileCache = path.join(os.tmpdir(), "effect-instructor-tests")

const start = (
  file: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string>,
  loader: ReadonlyArray<string> = ["--import", "tsx"]
) => {
  const { OPENAI_API_KEY: _, OPENAI_BASE_URL: __, OPENAI_MODEL: ___, ...inherited } = process.env
  return spawn(
    process.execPath,
    [...loader, "--conditions=effect-instructor/source", file, ...args],
    { cwd: root, env: { ...inherited, NODE_NO_WARNINGS: "1", NODE_COMPILE_CACHE: compileCache, ...env } }
  )
}

/** Starts a script that goes on, and gives the first line it prints; the end of the scope kills it. */
export const serveScript = (file: string, args: ReadonlyArray<string>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => start(file, {}, args)),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.flatMap((child) =>
    Effect.callback<string>((resume) => {
      child.stdout.once("data", (data) => resume(Effect.succeed(String(data).trim())))
    })
  ))

/** Runs a script with tsx, or with Node alone, until it ends by itself; interruption kills it. */
export const runScript = (
  file: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
  loader?: ReadonlyArray<string>
): Effect.Effect<Finished> =>
  Effect.callback((resume) => {
    const child = start(file, env, args, loader)
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (data) => stdout += data)
    child.stderr.on("data", (data) => stderr += data)
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
