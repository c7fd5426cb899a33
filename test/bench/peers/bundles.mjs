/** What a program that extracts weighs: bundled, minified and compressed. */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"

const here = import.meta.dirname

const weigh = async (contents, resolveDir) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir, loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    loader: { ".node": "empty" },
    logLevel: "silent",
    legalComments: "none"
  })
  return { minified: outputFiles[0].contents.length, gzipped: gzipSync(outputFiles[0].contents, { level: 9 }).length }
}

/** The first program in the README, as it stands there. */
const quickStart = () => {
  const readme = fs.readFileSync(path.join(here, "../../../README.md"), "utf8")
  return Array.from(readme.matchAll(/^```ts\n([\s\S]*?)^```/gm), (match) => match[1])
    .find((code) => code.includes("runMain("))
}

/** Barrels as the modules in them: esbuild keeps all of a namespace that comes out of a barrel. */
const direct = (code) =>
  code.replace(
    /^import \{ (.+) \} from "(effect|@effect\/platform-node)"$/gm,
    (_, names, barrel) => names.split(", ").map((name) => `import * as ${name} from "${barrel}/${name}"`).join("\n")
  )

/** Bytes for each client, the README's quick start, and the `openai` SDK alone. */
export const bundles = async (clients, failures) => {
  const sizes = {
    "README's quick start": await weigh(quickStart(), here),
    "README's quick start, with `effect/Effect` for `effect`": await weigh(direct(quickStart()), here),
    "`openai` alone": await weigh("import OpenAI from \"openai\"\nconsole.log(new OpenAI())", here)
  }
  for (const client of clients) {
    // BAML is a native module of 40 MB, which no bundler takes.
    if (failures[client] !== undefined || client === "baml") continue
    try {
      sizes[client] = await weigh(
        `import make from "./clients/${client}.mjs"\nconsole.log(make("http://127.0.0.1"))`,
        here
      )
    } catch (error) {
      process.stdout.write(`${client} has no bundle: ${String(error.message).split("\n")[1] ?? error}\n`)
    }
  }
  return sizes
}
