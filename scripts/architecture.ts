/**
 * Checks how the folders of `src` depend on each other, and how long files and functions are.
 *
 * A hand-written script, because the tools that do this need the compiler API that TypeScript 7 no longer has.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { type Node, parseSync, Visitor } from "oxc-parser"

/** The folders of `src`, from the top floor to the bottom. Those on one floor do not import each other. */
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["cli"],
  ["node"],
  ["evaluation"],
  ["batch"],
  ["extraction"],
  ["testing"],
  ["prompt", "providers"],
  ["answer", "middleware", "quality"],
  ["llm"],
  ["schema", "transport"],
  ["internal"]
]

/** Where a package that not every user has may be imported. */
const packages: ReadonlyArray<{ readonly name: RegExp; readonly folders: RegExp }> = [
  { name: /^openai(\/|$)/, folders: /^providers\/openai\// },
  { name: /^@effect\/platform-node(-shared)?(\/|$)/, folders: /^(cli|node|testing\/simulators)\// },
  { name: /^node:/, folders: /^(cli|node|testing\/simulators|transport\/undici)\// },
  { name: /^@nats-io\//, folders: /^node\// },
  { name: /^@effect\/sql-pg(\/|$)/, folders: /^cli\// },
  { name: /^undici(\/|$)/, folders: /^(node|transport\/undici)\// }
]

const limits = { function: 120, file: 400, median: 130 }

interface Source {
  /** The path from `src`, with slashes. */
  readonly file: string
  readonly lines: number
  /** What it imports: files of `src` as paths from it, packages by their names. */
  readonly imports: ReadonlyArray<string>
  /** The part of `imports` that it exports again. */
  readonly exports: ReadonlyArray<string>
  readonly functions: ReadonlyArray<{ readonly line: number; readonly lines: number }>
}

export interface Report {
  readonly violations: ReadonlyArray<string>
  readonly figures: string
}

const filesOf = (root: string): ReadonlyArray<string> =>
  fs.readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((file) => file.split(path.sep).join("/"))
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules/"))
    .toSorted()

const parse = (root: string, file: string): Source => {
  const text = fs.readFileSync(path.join(root, file), "utf8")
  const { errors, program } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  const imports: Array<string> = []
  const exports: Array<string> = []
  const functions: Array<Source["functions"][number]> = []
  const lineOf = (offset: number): number => text.slice(0, offset).split("\n").length
  const resolve = (specifier: string): string =>
    specifier.startsWith(".") ? path.posix.join(path.posix.dirname(file), specifier) : specifier
  const addImport = (source: Node | null): void => {
    if (source?.type === "Literal" && typeof source.value === "string") imports.push(resolve(source.value))
  }
  const addExport = (node: { readonly source: { readonly value: string } | null }): void => {
    if (node.source === null) return
    imports.push(resolve(node.source.value))
    exports.push(resolve(node.source.value))
  }
  const addFunction = ({ end, start }: Node): void => {
    const line = lineOf(start)
    functions.push({ line, lines: lineOf(end) - line + 1 })
  }
  new Visitor({
    ImportDeclaration: (node) => addImport(node.source),
    ImportExpression: (node) => addImport(node.source),
    TSImportType: (node) => addImport(node.source),
    ExportAllDeclaration: addExport,
    ExportNamedDeclaration: addExport,
    FunctionDeclaration: addFunction,
    FunctionExpression: addFunction,
    ArrowFunctionExpression: addFunction
  }).visit(program)
  return { file, lines: text.trimEnd().split("\n").length, imports, exports, functions }
}

const floorOf = (room: string): number => floors.findIndex((rooms) => rooms.includes(room))

/** Why a file may not import another file of `src`, or `undefined` where it may. */
const forbidden = (from: string, to: string, publicModules: ReadonlySet<string>): string | undefined => {
  const owner = /^(.*?)(?:^|\/)internal\//.exec(to)?.[1]
  if (owner !== undefined && owner !== "" && !from.startsWith(`${owner}/`)) {
    return `${owner}/internal is private to ${owner}`
  }
  const [room, target] = [from, to].map((file) => file.includes("/") ? file.slice(0, file.indexOf("/")) : "")
  if (room === "") return target === "internal" ? "the index exports public modules only" : undefined
  if (room === target) return undefined
  if (room === "cli" && target !== "internal") {
    return publicModules.has(to) ? undefined : "the command uses public modules only"
  }
  if (target === "") return "only the command imports the index"
  if (floorOf(room!) === -1) return `${room} has no floor in scripts/architecture.ts`
  if (floorOf(target!) <= floorOf(room!)) {
    return floorOf(target!) === floorOf(room!) ? `${room} and ${target} are on one floor` : `${target} is above ${room}`
  }
  return undefined
}

/** An index file, what it exports, and what the files that it exports whole export. */
const publicModulesOf = (sources: ReadonlyMap<string, Source>): ReadonlySet<string> => {
  const found = new Set(Array.from(sources.keys()).filter((file) => /(^|\/)index\.ts$/.test(file)))
  for (const file of found) {
    for (const exported of sources.get(file)?.exports ?? []) if (file.endsWith("index.ts")) found.add(exported)
  }
  return found
}

/**
 * Cycles that pass through a folder, at each level of the tree below the rooms, which their floors keep apart. A file
 * and an `internal` folder count as parts of the folder they are in, so that the private half of a module may name the
 * types of its public half.
 */
const cycles = (sources: ReadonlyMap<string, Source>): ReadonlyArray<string> => {
  const graph = new Map<string, Map<string, string>>()
  const partBelow = (folder: string, file: string): string => {
    const rest = file.slice(folder.length).replace(/^internal\//, "")
    return rest.includes("/") ? `${folder}${rest.slice(0, rest.indexOf("/"))}/` : file
  }
  for (const { file, imports } of sources.values()) {
    for (const imported of imports.filter((name) => sources.has(name))) {
      let folder = file.slice(0, file.lastIndexOf("/") + 1)
      while (!imported.startsWith(folder)) folder = folder.slice(0, folder.slice(0, -1).lastIndexOf("/") + 1)
      if (folder.endsWith("internal/")) folder = folder.slice(0, -"internal/".length)
      const [from, to] = [partBelow(folder, file), partBelow(folder, imported)]
      if (from === to || folder === "") continue
      if (!graph.has(from)) graph.set(from, new Map())
      graph.get(from)!.set(to, `${file} → ${imported}`)
    }
  }
  const found = new Map<string, string>()
  for (const start of graph.keys()) {
    if (!start.endsWith("/")) continue
    const before = new Map<string, string>([[start, ""]])
    for (const [part] of before) {
      for (const next of graph.get(part)?.keys() ?? []) {
        if (next === start) {
          const chain: Array<string> = [start]
          for (let at = part; at !== start; at = before.get(at)!) chain.unshift(at)
          chain.unshift(start)
          const key = [...new Set(chain)].toSorted().join()
          if (!found.has(key)) found.set(key, `${graph.get(part)!.get(start)}: a cycle, ${chain.join(" → ")}`)
        }
        if (!before.has(next)) before.set(next, part)
      }
    }
  }
  return Array.from(found.values())
}

const medianOf = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** Checks a folder laid out like `src`. */
export const check = (root: string): Report => {
  const files = filesOf(root)
  const sources = new Map(files.map((file) => [file, parse(root, file)]))
  const publicModules = publicModulesOf(sources)
  const violations: Array<string> = []
  for (const { file, functions, imports, lines } of sources.values()) {
    for (const imported of new Set(imports)) {
      const rule = packages.find(({ name }) => name.test(imported))
      const why = sources.has(imported)
        ? forbidden(file, imported, publicModules)
        : rule !== undefined && !rule.folders.test(file)
        ? `this package is used in ${rule.folders.source} only`
        : imported.endsWith(".ts")
        ? "there is no such file in src"
        : undefined
      if (why !== undefined) violations.push(`${file} → ${imported}: ${why}`)
    }
    if (lines > limits.file) violations.push(`${file}: ${lines} lines, more than ${limits.file}`)
    for (const { line, lines: length } of functions) {
      if (length > limits.function) {
        violations.push(`${file}:${line}: a function of ${length} lines, more than ${limits.function}`)
      }
    }
  }
  violations.push(...cycles(sources))
  const lengths = Array.from(sources.values(), ({ lines }) => lines)
  const median = medianOf(lengths)
  if (median >= limits.median) violations.push(`the median file has ${median} lines, not under ${limits.median}`)
  const longest = Math.max(...Array.from(sources.values()).flatMap(({ functions }) => functions.map((f) => f.lines)), 0)
  return {
    violations,
    figures: `${files.length} files in src: median ${median} lines, longest ${
      Math.max(...lengths)
    }; longest function ${longest} lines`
  }
}

/** Tests go through the public doors; those that do not are in `internal`, and benchmarks may look anywhere. */
export const checkTests = (root: string): ReadonlyArray<string> =>
  filesOf(root).filter((file) => !/^(internal|bench|docs\/generated)\//.test(file)).flatMap((file) =>
    parse(root, file).imports.filter((name) => name.startsWith("../src/")).map((name) =>
      `test/${file} → ${name.slice("../".length)}: white-box tests are in test/internal`
    )
  )

if (process.argv[1] === import.meta.filename) {
  const root = path.join(import.meta.dirname, "..")
  const { figures, violations: inSource } = check(path.join(root, "src"))
  const violations = [...inSource, ...checkTests(path.join(root, "test"))]
  for (const violation of violations) process.stdout.write(`${violation}\n`)
  process.stdout.write(`${figures}; ${violations.length} violations\n`)
  if (violations.length > 0) process.exitCode = 1
}
