/** The `effect-instructor` command as a process of its own, in a folder of its own. */
import { Effect } from "effect"
import type { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { command } from "./buildCommand.ts"
import { compileCache, root } from "./script.ts"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Effect.Effect<Ended>
  readonly stderr: () => string
}

/** The arguments with which Node runs the command. Modules of users import the source of the package. */
const nodeArguments = ["--conditions=effect-instructor/source", command]

export interface Options {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly input?: string | undefined
}

/** Starts the command. An interrupted test kills it. */
export const start = (args: ReadonlyArray<string>, { cwd, env, input }: Options) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const { OPENAI_API_KEY: _, OPENAI_BASE_URL: __, OPENAI_MODEL: ___, ...inherited } = process.env
      const child = spawn(process.execPath, [...nodeArguments, ...args], {
        cwd,
        env: { ...inherited, NODE_NO_WARNINGS: "1", NODE_COMPILE_CACHE: compileCache, ...env }
      })
      let [stdout, stderr] = ["", ""]
      child.stdout.on("data", (data) => stdout += data)
      child.stderr.on("data", (data) => stderr += data)
      const closed = new Promise<Ended>((resolve) =>
        child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
      )
      if (input !== undefined) child.stdin.end(input)
      return { child, ended: Effect.promise(() => closed), stderr: () => stderr }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Runs the command until it exits. */
export const run = (args: ReadonlyArray<string>, options: Options) =>
  Effect.scoped(Effect.flatMap(start(args, { input: "", ...options }), ({ ended }) => ended))

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** Runs the command on a terminal of 100 columns, where both output streams are one. */
export const runOnTerminal = (args: ReadonlyArray<string>, { cwd, env }: Options) =>
  Effect.callback<{ readonly code: number | null; readonly stdout: string }>((resume) => {
    const command = [process.execPath, ...nodeArguments, ...args].map(quoted).join(" ")
    const child = spawn("script", ["-qec", `stty cols 100 rows 30; exec ${command}`, "/dev/null"], {
      cwd,
      env: { ...process.env, NODE_NO_WARNINGS: "1", TERM: "xterm", ...env },
      stdio: ["ignore", "pipe", "inherit"]
    })
    let stdout = ""
    child.stdout.on("data", (data) => stdout += data)
    child.on("close", (code) => resume(Effect.succeed({ code, stdout })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** A folder with files, where the project's packages are installed. */
export const folder = (files: Readonly<Record<string, string | Uint8Array>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const at = fs.mkdtempSync(path.join(os.tmpdir(), "effect-instructor-cli-"))
      fs.mkdirSync(path.join(at, "node_modules"))
      fs.symlinkSync(path.join(root, "node_modules/effect"), path.join(at, "node_modules/effect"))
      fs.symlinkSync(root, path.join(at, "node_modules/effect-instructor"))
      fs.writeFileSync(path.join(at, "package.json"), `{"type":"module"}`)
      for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(at, name), content)
      return at
    }),
    (at) => Effect.sync(() => fs.rmSync(at, { recursive: true, force: true }))
  )

export const personSchema = `
import { Schema } from "effect"
export const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
`

/** Answers `Ada is 30` with a person, and other texts with an invalid one. */
export const answerPerson: OpenAiSimulator.Answer = ({ text }) => {
  const match = /^([^]+) is (\d+)$/.exec(text)
  return match === null ? { name: text, age: "unknown" } : { name: match[1]!, age: Number(match[2]) }
}

export const people = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `Person ${i} is ${i % 100}`)

export interface OutputLine {
  readonly index: number
  readonly id: string
  readonly status: "ok" | "error"
  readonly value?: any
  readonly error?: {
    readonly reason: string
    readonly message: string
    readonly issues?: ReadonlyArray<{ readonly path: ReadonlyArray<string | number>; readonly message: string }>
  }
  readonly attempts: number
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number }
}

export const parseLines = (text: string): ReadonlyArray<OutputLine> =>
  text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

export const readLines = (...at: ReadonlyArray<string>): ReadonlyArray<OutputLine> =>
  parseLines(fs.readFileSync(path.join(...at), "utf8"))
