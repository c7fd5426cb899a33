/** Bundles the command into one file, for a quick start. It bundles what is in `dist`. */
import { build } from "esbuild"
import * as path from "node:path"

const root = path.join(import.meta.dirname, "..")

await build({
  entryPoints: [path.join(root, "dist/cli/main.js")],
  outdir: path.join(root, "dist/cli/bundle"),
  bundle: true,
  splitting: true,
  minifySyntax: true,
  minifyWhitespace: true,
  format: "esm",
  platform: "node",
  target: "node22",
  logLevel: "warning",
  legalComments: "eof",
  // Packages that only some programs have, and native code.
  external: [
    "openai",
    "undici",
    "unpdf",
    "html-to-text",
    "hyparquet",
    "hyparquet-compressors",
    "hyparquet-writer",
    "*.node"
  ],
  // CommonJS in a module.
  banner: {
    js:
      "import { createRequire as createRequire_ } from \"node:module\"; const require = createRequire_(import.meta.url);"
  }
})
