/**
 * What a user gets: the package is packed, unpacked into a project of its own, compiled there in strict mode and run.
 * Its dependencies are those installed here, so that nothing is downloaded.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const root = path.join(import.meta.dirname, "../..")
const project = fs.mkdtempSync(path.join(os.tmpdir(), "consumer-"))
const modules = path.join(project, "node_modules")
const run = (command: string, args: ReadonlyArray<string>, cwd: string): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], root))

for (const file of packed.files as ReadonlyArray<{ readonly path: string }>) {
  if (!/^(?:src|dist)\/|^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(file.path)) {
    throw new Error(`${file.path} has no business in the package`)
  }
}

fs.mkdirSync(path.join(modules, "effect-instructor"), { recursive: true })
run("tar", [
  "-xzf",
  path.join(project, packed.filename),
  "-C",
  path.join(modules, "effect-instructor"),
  "--strip-components=1"
], root)
for (const name of fs.readdirSync(path.join(root, "node_modules"))) {
  if (!name.startsWith(".")) fs.symlinkSync(path.join(root, "node_modules", name), path.join(modules, name))
}

fs.writeFileSync(
  path.join(project, "package.json"),
  JSON.stringify({ name: "consumer", private: true, type: "module" })
)
fs.writeFileSync(
  path.join(project, "program.ts"),
  `
import { Effect, Layer, Schema } from "effect"
import { Batch, Extraction, type ExtractionError, type Llm } from "effect-instructor"
import { NodeFetch } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { MockLlm } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const City = Schema.Struct({ city: Schema.String })
const program: Effect.Effect<Array<{ readonly city: string }>, ExtractionError.ExtractionError, Llm.Llm> =
  Batch.all(Extraction.make({ schema: City }), ["one", "two"], { concurrency: 2 })

const simulated = OpenAiSimulator.layerLlm({
  answer: () => ({ city: "Lyon" }),
  connect: (baseUrl) => OpenAi.layer({ baseUrl }).pipe(Layer.provide(NodeFetch.layer()))
})

for (const layer of [MockLlm.layer(() => ({ city: "Lyon" })), simulated]) {
  const cities = await Effect.runPromise(Effect.provide(program, layer as typeof simulated))
  if (cities.map(({ city }) => city).join() !== "Lyon,Lyon") throw new Error("unexpected " + JSON.stringify(cities))
}
`
)
const typescript = path.join(modules, "typescript/bin/tsc")
for (const [module, resolution] of [["NodeNext", "NodeNext"], ["ESNext", "Bundler"]] as const) {
  run(process.execPath, [
    typescript,
    "--strict",
    "--exactOptionalPropertyTypes",
    "--skipLibCheck",
    "--target",
    "ES2022",
    "--types",
    "node",
    "--module",
    module,
    "--moduleResolution",
    resolution,
    "--outDir",
    "out",
    "program.ts"
  ], project)
}
run(process.execPath, ["out/program.js"], project)

fs.writeFileSync(
  path.join(project, "city.ts"),
  `import { Schema } from "effect"\nexport const City = Schema.Struct({ city: Schema.String })\n`
)
const command = path.join(modules, "effect-instructor", "dist/cli/bin.js")
const printed = JSON.parse(run(process.execPath, [command, "schema", "--schema", "city.ts"], project))
if (printed.properties.city.type !== "string") throw new Error(`unexpected ${JSON.stringify(printed)}`)
fs.rmSync(project, { recursive: true })
process.stdout.write(
  `The packed package (${packed.files.length} files, ${Math.round(packed.size / 1024)} kB) compiles and runs.\n`
)
