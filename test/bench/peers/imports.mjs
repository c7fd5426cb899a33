/** What it costs to import a client, and to import this library next to the parts of `effect` and `openai` it needs. */
import { buildSync } from "esbuild"
import { execFileSync } from "node:child_process"
import * as path from "node:path"

const here = import.meta.dirname
const rounds = 9

/** The modules of other packages that an entry point of this one imports. */
const partsOf = (entry) => {
  const { metafile } = buildSync({
    entryPoints: [path.join(here, "../../../dist", entry)],
    bundle: true,
    write: false,
    metafile: true,
    packages: "external",
    format: "esm",
    platform: "node"
  })
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports)
  return [...new Set(imported.filter(({ external }) => external).map(({ path }) => path))]
}

const importOnce = (modules) => {
  const code = `const cpu = process.cpuUsage(), start = performance.now();` +
    modules.map((module) => `await import(${JSON.stringify(module)});`).join("") +
    `const used = process.cpuUsage(cpu);` +
    `console.log(JSON.stringify([performance.now() - start, (used.user + used.system) / 1000]));process.exit(0)`
  const out = execFileSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: here,
    env: { ...process.env, BAML_LOG: "off" },
    encoding: "utf8"
  })
  const [millis, cpuMillis] = JSON.parse(out.trim().split("\n").at(-1))
  return { millis, cpuMillis }
}

const median = (numbers) => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]

/** Milliseconds for each client, and for each entry point with its parts. */
export const imports = (clients, failures) => {
  const subjects = {
    "`effect-instructor`": ["effect-instructor"],
    "the parts of `effect-instructor`": partsOf("index.js"),
    "`effect-instructor/openai`": ["effect-instructor/openai"],
    "the parts of `effect-instructor/openai`": partsOf("openai/index.js"),
    ...Object.fromEntries(
      clients.filter((client) => failures[client] === undefined).map((client) => [client, [`./clients/${client}.mjs`]])
    )
  }
  const runs = Object.fromEntries(Object.keys(subjects).map((subject) => [subject, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [subject, modules] of Object.entries(subjects)) runs[subject].push(importOnce(modules))
  }
  return Object.fromEntries(
    Object.entries(runs).map(([subject, results]) => [subject, {
      millis: median(results.map(({ millis }) => millis)),
      cpuMillis: median(results.map(({ cpuMillis }) => cpuMillis))
    }])
  )
}
