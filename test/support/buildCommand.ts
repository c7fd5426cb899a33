/**
 * Bundles the source of the command for the end-to-end tests, which start it about two hundred times: loading our modules
 * one by one takes half a second of CPU each time. Packages stay outside, as for the modules of users.
 */
import { build } from "esbuild"
import * as path from "node:path"
import { root } from "./script.ts"

/** Two folders below the manifest, as the source and the build are. */
const folder = path.join(root, "test/.command")

export const command = path.join(folder, "bin.js")

export const setup = async (): Promise<void> => {
  await build({
    entryPoints: [path.join(root, "src/cli/bin.ts")],
    outdir: folder,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    packages: "external",
    conditions: ["effect-instructor/source"],
    sourcemap: true,
    logLevel: "warning"
  })
}
