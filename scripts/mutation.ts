/**
 * Mutation testing: changes one condition, operator or constant at a time, runs the nearest tests, and prints the
 * changes that no test noticed.
 *
 *     npm run mutation -- --sample 60 --seed 1 --in src/batch
 *
 * Works on copies in the temporary folder, so that an interrupted run leaves the sources as they are. A script, because
 * Stryker 10 cannot draw a sample (every mutant of these folders takes hours) and fails to start under TypeScript 7
 * unless its handling of tsconfig files is switched off.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { type Node, parseSync, Visitor } from "oxc-parser"

const root = path.join(import.meta.dirname, "..")

/** The folders that are mutated, and the tests nearest to each. */
const targets: Readonly<Record<string, ReadonlyArray<string>>> = {
  "src/batch": ["test/batch", "test/internal/batch"],
  "src/middleware/governor": ["test/middleware/governor", "test/internal/governor"],
  "src/answer": ["test/answer", "test/internal/answer", "test/extraction"]
}

export interface Mutant {
  readonly start: number
  readonly end: number
  readonly replacement: string
}

const operators: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "&&": "||",
  "||": "&&"
}

const isText = (node: Node): boolean =>
  node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node.value === "string") ||
  (node.type === "BinaryExpression" && (isText(node.left) || isText(node.right)))

/** Every change to a file that is tried. */
export const mutantsOf = (file: string, text: string): ReadonlyArray<Mutant> => {
  const mutants: Array<Mutant> = []
  const types: Array<Node> = []
  const type = (node: Node): void => {
    types.push(node)
  }
  const replace = ({ end, start }: { readonly start: number; readonly end: number }, replacement: string): void => {
    mutants.push({ start, end, replacement })
  }
  const operator = (node: Node & { left: Node; operator: string; right: Node }): void => {
    const other = operators[node.operator]
    if (other === undefined || (node.operator === "+" && isText(node))) return
    const start = text.indexOf(node.operator, node.left.end)
    replace({ start, end: start + node.operator.length }, other)
  }
  const condition = ({ test }: { readonly test: Node }): void => {
    for (const value of ["true", "false"]) replace(test, value)
  }
  new Visitor({
    TSTypeAnnotation: type,
    TSTypeAliasDeclaration: type,
    TSInterfaceDeclaration: type,
    TSTypeParameterInstantiation: type,
    TSTypeParameterDeclaration: type,
    TSAsExpression: (node) => type(node.typeAnnotation),
    TSSatisfiesExpression: (node) => type(node.typeAnnotation),
    BinaryExpression: operator,
    LogicalExpression: operator,
    IfStatement: condition,
    ConditionalExpression: condition,
    UnaryExpression: (node) => {
      if (node.operator === "!") replace(node, text.slice(node.argument.start, node.argument.end))
    },
    Literal: (node) => {
      if (typeof node.value === "boolean") replace(node, String(!node.value))
      if (typeof node.value === "number") replace(node, String(node.value + 1))
    },
    CallExpression: ({ callee }) => {
      const name = text.slice(callee.start, callee.end)
      if (name === "Math.min") replace(callee, "Math.max")
      if (name === "Math.max") replace(callee, "Math.min")
    }
  }).visit(parseSync(file, text).program)
  return mutants
    .filter((mutant) => !types.some(({ end, start }) => start <= mutant.start && mutant.end <= end))
    .toSorted((a, b) => a.start - b.start)
}

/** A shuffle that a seed repeats (mulberry32). */
export const shuffle = <A>(values: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  let state = seed
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return values.map((value) => ({ value, key: random() })).toSorted((a, b) => a.key - b.key).map(({ value }) => value)
}

type Outcome = "killed" | "survived" | "timeout"

const running = new Set<ChildProcess>()
const kill = (child: ChildProcess): void => {
  // The runner and its workers are a group of their own.
  if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL")
}

const runTests = (copy: string, tests: ReadonlyArray<string>, limit: number): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        path.join(root, "node_modules/vitest/vitest.mjs"),
        "run",
        "--config=test/vitest.config.ts",
        "--project=spec",
        "--bail=1",
        "--maxWorkers=1",
        ...tests.filter((folder) => fs.existsSync(path.join(copy, folder))).map((folder) => `${folder}/`)
      ],
      { cwd: copy, detached: true, stdio: "ignore" }
    )
    running.add(child)
    let late = false
    const timer = setTimeout(() => {
      late = true
      kill(child)
    }, limit)
    child.on("close", (code) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(late ? "timeout" : code === 0 ? "survived" : "killed")
    })
  })

interface Job {
  readonly file: string
  readonly mutant: Mutant
  readonly tests: ReadonlyArray<string>
}

const makeCopy = (at: string): void => {
  const skipped = new Set(["node_modules", "dist", "coverage", ".git"])
  fs.cpSync(root, at, { recursive: true, filter: (file) => !skipped.has(path.basename(file)) })
  fs.symlinkSync(path.join(root, "node_modules"), path.join(at, "node_modules"))
}

const describe = ({ file, mutant }: Job, text: string): string => {
  const line = text.slice(0, mutant.start).split("\n").length
  const begin = text.lastIndexOf("\n", mutant.start) + 1
  const finish = text.indexOf("\n", mutant.end)
  const after = text.slice(begin, mutant.start) + mutant.replacement + text.slice(mutant.end, finish)
  const compact = (code: string): string => code.replace(/\s+/g, " ").trim()
  return `${file}:${line}\n  - ${compact(text.slice(begin, finish))}\n  + ${compact(after)}`
}

const jobsIn = (folder: string): ReadonlyArray<Job> =>
  fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.posix.join(folder, name.split(path.sep).join("/")))
    .toSorted()
    .flatMap((file) =>
      mutantsOf(file, fs.readFileSync(path.join(root, file), "utf8"))
        .map((mutant) => ({ file, mutant, tests: targets[folder]! }))
    )

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      sample: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: String(os.availableParallelism()) },
      in: { type: "string", multiple: true, default: Object.keys(targets) }
    }
  })
  const unknown = values.in.filter((folder) => targets[folder] === undefined)
  if (unknown.length > 0) throw new Error(`No tests are known for ${unknown.join()}: ${Object.keys(targets).join()}`)
  const all = values.in.flatMap(jobsIn)
  const queue = shuffle(all, Number(values.seed)).slice(0, Number(values.sample)).values()
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "mutation-"))
  const clean = (): void => {
    for (const child of running) kill(child)
    fs.rmSync(scratch, { recursive: true, force: true })
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      clean()
      process.exit(1)
    })
  }

  const limits = new Map<string, number>()
  const counts: Record<Outcome, number> = { killed: 0, survived: 0, timeout: 0 }
  const survivors: Array<string> = []
  const work = async (copy: string): Promise<void> => {
    for (const job of queue) {
      const text = fs.readFileSync(path.join(root, job.file), "utf8")
      const { end, replacement, start } = job.mutant
      fs.writeFileSync(path.join(copy, job.file), text.slice(0, start) + replacement + text.slice(end))
      const outcome = await runTests(copy, job.tests, limits.get(job.tests.join())!)
      fs.writeFileSync(path.join(copy, job.file), text)
      counts[outcome] += 1
      if (outcome === "survived") survivors.push(describe(job, text))
      process.stdout.write({ killed: ".", survived: "S", timeout: "T" }[outcome])
    }
  }

  try {
    const copies = Array.from({ length: Number(values.jobs) }, (_, i) => path.join(scratch, String(i)))
    for (const copy of copies) makeCopy(copy)
    for (const folder of values.in) {
      const before = performance.now()
      const outcome = await runTests(copies[0]!, targets[folder]!, 120_000)
      if (outcome !== "survived") throw new Error(`The tests of ${folder} do not pass as it is.`)
      limits.set(targets[folder]!.join(), 5_000 + 4 * (performance.now() - before))
    }
    await Promise.all(copies.map(work))
  } finally {
    clean()
  }
  const noticed = counts.killed + counts.timeout
  const tried = noticed + counts.survived
  process.stdout.write(`\n\n${survivors.toSorted().join("\n")}\n\n`)
  process.stdout.write(
    `${noticed} of ${tried} mutants were noticed (${
      Math.round(100 * noticed / tried)
    } %), ${counts.timeout} of them by ` +
      `a timeout; ${all.length} are possible in ${values.in.join(", ")}; seed ${values.seed}\n`
  )
}

if (process.argv[1] === import.meta.filename) await main()
