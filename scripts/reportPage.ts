/**
 * Bundles the page of a report into `src/batch/internal/report/page.ts`, so that the library needs no bundler and no file
 * beside it. Without `--update` it only fails where that file is out of date.
 */
import { build } from "esbuild"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"

const here = path.join(import.meta.dirname, "reportPage")

export const target: string = path.join(import.meta.dirname, "../src/batch/internal/report/page.ts")

const hash = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`

/** The module as it should be. */
export const generate = async (): Promise<string> => {
  const bundled = async (entry: string): Promise<string> => {
    const { outputFiles } = await build({
      entryPoints: [path.join(here, entry)],
      bundle: true,
      minify: true,
      write: false,
      format: "iife",
      target: ["chrome123", "firefox120", "safari17.5"],
      charset: "ascii",
      tsconfigRaw: {}
    })
    return outputFiles[0]!.text.trim()
  }
  const [script, style] = [await bundled("main.ts"), await bundled("style.css")]
  const literal = (text: string): string => JSON.stringify(text)
  return `/** Generated from \`scripts/reportPage\` by \`npm run report-page\`. */

export const script =
  ${literal(script)}

export const style =
  ${literal(style)}

/** For the Content Security Policy, which allows this script and nothing else. */
export const scriptHash = ${literal(hash(script))}

export const styleHash = ${literal(hash(style))}
`
}

if (process.argv[1] === import.meta.filename) {
  const text = await generate()
  if (process.argv.includes("--update")) {
    fs.writeFileSync(target, text)
  } else if (!fs.existsSync(target) || fs.readFileSync(target, "utf8") !== text) {
    process.stdout.write("src/batch/internal/report/page.ts is out of date: npm run report-page\n")
    process.exitCode = 1
  }
}
