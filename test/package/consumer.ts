/**
 * Checks what a user gets: packs the package, unpacks it into a project of its own, compiles that in strict mode and with
 * declarations, and runs it. The project's dependencies are links to those installed here, so that nothing is downloaded.
 */
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Snippets from "../docs/snippets.ts"
import { licenceProblems } from "./licences.ts"

const root = path.join(import.meta.dirname, "../..")
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "consumer-"))
process.on("exit", () => fs.rmSync(scratch, { recursive: true, force: true }))

const run = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
  } catch (error) {
    // The compiler reports on standard output.
    process.stdout.write((error as { readonly stdout?: string }).stdout ?? "")
    throw error
  }
}

const fail = (problems: ReadonlyArray<string>): void => {
  if (problems.length > 0) throw new Error(problems.join("\n"))
}

const [packed] = JSON.parse(
  run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch], root)
) as ReadonlyArray<
  { readonly filename: string; readonly size: number; readonly files: ReadonlyArray<{ readonly path: string }> }
>

/** A project with the packed package and links to some of the packages installed here. */
const makeProject = (name: string, dependencies: ReadonlyArray<string>): string => {
  const project = path.join(scratch, name)
  const unpacked = path.join(project, "node_modules/effect-instructor")
  fs.mkdirSync(unpacked, { recursive: true })
  run("tar", ["-xzf", path.join(scratch, packed!.filename), "-C", unpacked, "--strip-components=1"], root)
  for (const dependency of dependencies) {
    const link = path.join(project, "node_modules", dependency)
    fs.mkdirSync(path.dirname(link), { recursive: true })
    fs.symlinkSync(path.join(root, "node_modules", dependency), link)
  }
  fs.writeFileSync(path.join(project, "package.json"), JSON.stringify({ name, private: true, type: "module" }))
  return project
}

const write = (project: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(project, name), text)
}

const compile = (project: string, files: ReadonlyArray<string>, options: ReadonlyArray<string>): void => {
  run(process.execPath, [
    path.join(root, "node_modules/typescript/bin/tsc"),
    ..."--strict --exactOptionalPropertyTypes --skipLibCheck --preserveSymlinks".split(" "),
    ..."--target ES2022 --types node --outDir out".split(" "),
    ...options,
    ...files
  ], project)
}

const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
const dependencies = Object.keys(manifest.dependencies ?? {})

// 1. The package holds the sources, what is built from them, and nothing else.
const secret = /\bsk-(?:proj-)?[A-Za-z0-9_-]{20,}|\bAKIA[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|PRIVATE KEY-----/
fail(packed!.files.flatMap(({ path: file }) => {
  if (!/^(?:src|dist|ai-docs)\/|^(?:package\.json|README\.md|AGENTS\.md|CHANGELOG\.md|LICENSE)$/.test(file)) {
    return [`${file} does not belong in the package`]
  }
  const text = fs.readFileSync(path.join(root, file), "utf8")
  return [
    ...(/(?:^|\/)(?:tests?|fixtures|__tests__)\/|\.(?:test|spec|bench)\./.test(file) ? [`${file} is a test`] : []),
    ...(secret.test(text) ? [`${file} contains what looks like a secret`] : []),
    ...(text.includes(root) ? [`${file} contains a path of this machine`] : [])
  ]
}))
fail(
  ["preinstall", "install", "postinstall"].filter((name) => name in manifest.scripts)
    .map((name) => `The package runs a script when it is installed: ${name}`)
)
fail(licenceProblems(root))

// 2. A strict project compiles against it with both resolutions, and runs.
const project = makeProject("consumer", [
  ...dependencies,
  ...Object.keys(manifest.peerDependencies),
  "@types/node",
  "zod"
])
write(project, {
  "program.ts": `
import { Effect, Layer, Schema } from "effect"
import { Batch, Extraction, type ExtractionError, type Llm } from "effect-instructor"
import { NodeTransport } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { MockLlm } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const City = Schema.Struct({ city: Schema.String })
const program: Effect.Effect<Array<{ readonly city: string }>, ExtractionError.ExtractionError, Llm.Llm> =
  Batch.all(Extraction.make({ schema: City }), ["one", "two"], { concurrency: 2 })

const simulated = OpenAiSimulator.layerLlm({
  answer: () => ({ city: "Lyon" }),
  connect: (baseUrl) => OpenAi.layer({ baseUrl }).pipe(Layer.provide(NodeTransport.layer()))
})

for (const layer of [MockLlm.layer(() => ({ city: "Lyon" })), simulated]) {
  const cities = await Effect.runPromise(Effect.provide(program, layer as typeof simulated))
  if (cities.map(({ city }) => city).join() !== "Lyon,Lyon") throw new Error("unexpected " + JSON.stringify(cities))
}
`,
  "city.ts": `import { Schema } from "effect"\nexport const City = Schema.Struct({ city: Schema.String })\n`
})
for (const [module, resolution] of [["NodeNext", "NodeNext"], ["ESNext", "Bundler"]] as const) {
  compile(project, ["program.ts"], ["--module", module, "--moduleResolution", resolution])
}
run(process.execPath, ["out/program.js"], project)

// 3. A library can export what the snippets of the documentation infer: its declarations can name every type, through
// the entry point that each public module has.
const modules = Snippets.inFiles(Snippets.pages).map((snippet) => {
  const name = Snippets.fileName(snippet)
  write(project, { [name]: `${snippet.code.replace(/^(?=(?:const|class|interface|type|function) )/gm, "export ")}\n` })
  return name
})
write(project, {
  "inferred.ts": `
import { Schema } from "effect"
import { Batch, Extraction, ExtractionStream } from "effect-instructor"

class Person extends Schema.Class<Person>("Person")({ name: Schema.String }) {}
export const person = Extraction.make({ schema: Person })
export const one = Extraction.extract(person, "Ada")
export const detailed = Extraction.extractDetailed(person, "Ada")
export const all = Batch.all(person, ["Ada"])
export const results = Batch.results(person, ["Ada"])
export const stream = Batch.stream(person, ["Ada"])
export const resumable = Batch.resumable(person, ["Ada"])
export const elements = ExtractionStream.elements(person, "Ada")
export const partial = ExtractionStream.partial(person, "Ada")
`
})
compile(project, ["inferred.ts", ...modules], ["--declaration", "--module", "NodeNext"])

// 4. The command runs.
const command = path.join(project, "node_modules/effect-instructor/dist/cli/bin.js")
const printed = JSON.parse(run(process.execPath, [command, "schema", "--schema", "city.ts"], project))
if (printed.properties.city.type !== "string") throw new Error(`unexpected ${JSON.stringify(printed)}`)

// 5. Programs and tests need none of the optional packages.
const bare = makeProject("bare", [...dependencies, "effect"])
write(bare, {
  "program.js": `
import { Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const city = Extraction.extract(Schema.Struct({ city: Schema.String }), "one")
const value = await Effect.runPromise(Effect.provide(city, MockLlm.layer(() => ({ city: "Lyon" }))))
if (value.city !== "Lyon") throw new Error("unexpected " + JSON.stringify(value))
`
})
run(process.execPath, ["program.js"], bare)

// 6. A newcomer in an empty folder: install, start the simulator, extract. The first command is the folder made here.
const newcomer = makeProject("newcomer", [
  ...dependencies,
  "effect",
  "@effect/platform-node",
  "@types/node",
  "undici-types"
])
const startedAt = performance.now()
const bin = path.join(newcomer, "node_modules/effect-instructor/dist/cli/bin.js")
const simulator = spawn(process.execPath, [bin, "simulate"], { cwd: newcomer, stdio: ["ignore", "ignore", "pipe"] })
process.on("exit", () => simulator.kill())
const baseUrl = await new Promise<string>((resolve, reject) => {
  let text = ""
  simulator.stderr.on("data", (chunk) => {
    text += String(chunk)
    const url = /listens at (\S+)/.exec(text)?.[1]
    if (url !== undefined) resolve(url)
  })
  simulator.on("exit", () => reject(new Error(`The simulator ended: ${text}`)))
})
const first = JSON.parse(
  run(
    process.execPath,
    [bin, "extract", "--base-url", baseUrl, "--schema", "{ name, age: int }", "My name is John and I am 30 years old"],
    newcomer
  )
)
if (typeof first.name !== "string" || first.age !== 30) throw new Error(`unexpected ${JSON.stringify(first)}`)
const newcomerSeconds = ((performance.now() - startedAt) / 1000).toFixed(1)

// 7. The example projects run with the packed package. They share the newcomer's installation.
const copyProject = (name: string): string => {
  const to = path.join(newcomer, name)
  fs.cpSync(path.join(root, "examples/projects", name), to, { recursive: true })
  return to
}
process.env["OPENAI_BASE_URL"] = baseUrl
run(process.execPath, ["--test"], copyProject("tests"))
const batch = copyProject("batch")
for (const _ of ["first", "resumed"]) run(process.execPath, ["batch.ts"], batch)
const people = fs.readFileSync(path.join(batch, "people.jsonl"), "utf8").trim().split("\n").map((line) =>
  JSON.parse(line)
)
if (people.length !== 2 || people[1].value.age !== 41) throw new Error(`unexpected ${JSON.stringify(people)}`)
const service = spawn(process.execPath, ["server.ts"], {
  cwd: copyProject("service"),
  stdio: ["ignore", "pipe", "inherit"]
})
process.on("exit", () => service.kill())
const serviceUrl = await new Promise<string>((resolve, reject) => {
  let text = ""
  service.stdout.on("data", (chunk) => {
    text += String(chunk)
    const url = /Listening on (\S+)/.exec(text)?.[1]
    if (url !== undefined) resolve(url)
  })
  service.on("exit", () => reject(new Error("The service ended")))
})
compile(
  newcomer,
  ["tests/person.test.ts", "batch/batch.ts", "service/server.ts"],
  ["--noEmit", "--allowImportingTsExtensions", "--module", "NodeNext"]
)
const answered = await fetch(`${serviceUrl}/people`, { method: "POST", body: "My name is Grace and I am 85 years old" })
const answer = await answered.text()
if (answered.status !== 200 || JSON.parse(answer).age !== 85) throw new Error(`unexpected ${answered.status} ${answer}`)
for (const child of [service, simulator]) {
  child.removeAllListeners("exit")
  child.kill()
}

process.stdout.write(
  `The packed package (${packed!.files.length} files, ${
    Math.round(packed!.size / 1024)
  } kB) compiles and runs; so do ` +
    `${modules.length} snippets with declarations, and a project without the optional packages. ` +
    `A newcomer has a value of the simulator ${newcomerSeconds} s after the installation.\n`
)
