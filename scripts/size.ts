/**
 * Weighs what a program that extracts adds to a bundle, and fails where it grew by more than 2 % over `etc/size.json`;
 * `--update` writes that file. It bundles what is in `dist`, so build first.
 */
import { build, type OutputFile } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"

const root = path.join(import.meta.dirname, "..")
const allowedGrowth = 0.02

/** The first program in the README, as it stands there. */
export const quickStart = (): string => {
  const readme = fs.readFileSync(path.join(root, "README.md"), "utf8")
  const program = Array.from(readme.matchAll(/^```ts\n([\s\S]*?)^```/gm), ([, code]) => code!)
    .find((code) => code.includes("runMain("))
  if (program === undefined) throw new Error("README.md has no ```ts block with runMain(")
  return program
}

/** The same program with a module each for the names of a barrel: esbuild keeps all of a namespace that a barrel exports. */
export const deepImports = (code: string): string =>
  code.replace(
    /^import \{ (.+) \} from "(effect|@effect\/platform-node|effect-instructor(?:\/\w+)?)"$/gm,
    (_, names: string, barrel: string) =>
      names.split(", ").map((name) => `import * as ${name} from "${barrel}/${name}"`).join("\n")
  )

interface Size {
  readonly minified: number
  readonly gzipped: number
}

/** Bytes of a program, bundled for Node. */
export const weigh = async (contents: string, resolveDir: string = root): Promise<Size> => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir, loader: "ts" },
    bundle: true,
    // What is loaded on demand, as Ajv is, is a file of its own.
    splitting: true,
    outdir: "out",
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    loader: { ".node": "empty" },
    logLevel: "silent",
    legalComments: "none"
  })
  const bundle = loadedAtOnce(outputFiles)
  return { minified: bundle.length, gzipped: gzipSync(bundle, { level: 9 }).length }
}

/** The entry and the files that it imports, not those that it imports with `import()`. */
const loadedAtOnce = (files: ReadonlyArray<OutputFile>): Buffer => {
  const byName = new Map(files.map((file) => [path.basename(file.path), file]))
  const loaded = new Set(["stdin.js"])
  for (const name of loaded) {
    const imports = byName.get(name)?.text.matchAll(/(?:\bfrom|\bimport)"\.\/([^"]+)"/g) ?? []
    for (const [, imported] of imports) loaded.add(imported!)
  }
  return Buffer.concat(Array.from(loaded, (name) => byName.get(name)?.contents ?? new Uint8Array()))
}

const main = async (update: boolean): Promise<boolean> => {
  const file = path.join(root, "etc/size.json")
  const sizes: Readonly<Record<string, Size>> = {
    "quick start": await weigh(quickStart()),
    "quick start, deep imports": await weigh(deepImports(quickStart()))
  }
  const before: Readonly<Record<string, Size>> = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {}
  let grown = false
  for (const [name, { gzipped, minified }] of Object.entries(sizes)) {
    const allowed = (before[name]?.gzipped ?? 0) * (1 + allowedGrowth)
    const change = before[name] === undefined
      ? "no size is recorded"
      : `${((gzipped / before[name].gzipped - 1) * 100).toFixed(1)} % to ${before[name].gzipped}`
    process.stdout.write(`${name}: ${gzipped} bytes gzipped, ${minified} minified (${change})\n`)
    if (gzipped > allowed) grown = true
  }
  if (update) fs.writeFileSync(file, `${JSON.stringify(sizes, undefined, 2)}\n`)
  else if (grown) process.stdout.write("More than 2 % larger. If that is intended: npm run size:update\n")
  return update || !grown
}

if (process.argv[1] === import.meta.filename && !await main(process.argv.includes("--update"))) process.exitCode = 1
