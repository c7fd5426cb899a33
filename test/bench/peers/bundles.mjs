/** What a program that extracts weighs: bundled, minified and compressed. */
import { deepImports, quickStart, weigh } from "../../../scripts/size.ts"

const here = import.meta.dirname

/** Bytes for each client, the README's quick start, and the `openai` SDK alone. */
export const bundles = async (clients, failures) => {
  const sizes = {
    "README's quick start": await weigh(quickStart(), here),
    "README's quick start, with `effect/Effect` for `effect`": await weigh(deepImports(quickStart()), here),
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
