#!/usr/bin/env -S node --max-semi-space-size=16
/**
 * Starts the `effect-instructor` command. A young generation of 16 MB is enough for it; by default V8 lets it grow while
 * there is memory, and uses twice as much.
 *
 * Loading some 400 modules takes most of the time of a short command, so the build has them in one file, and Node keeps
 * what it has compiled. A schema in a module of the user's needs the same `effect` as the command, and so the modules
 * one by one.
 */
import { existsSync } from "node:fs"
import { createRequire, enableCompileCache } from "node:module"
import Process from "node:process"
import type * as Main from "./main.ts"

/** Two folders up, both from the source and from the build. */
const { version } = createRequire(import.meta.url)("../../package.json") as { readonly version: string }

const bundle = new URL("./bundle/main.js", import.meta.url)

const start = ({ main }: typeof Main): void => main(version)

const args = Process.argv.slice(2)
if (args.length === 1 && (args[0] === "--version" || args[0] === "-v")) {
  Process.stdout.write(`effect-instructor v${version}\n`)
} else {
  enableCompileCache()
  const needsModules = args.some((arg) => /\.[cm]?[jt]sx?(?:#|$)/.test(arg)) || !existsSync(bundle)
  void (needsModules ? import("./main.ts") : import(bundle.href) as Promise<typeof Main>).then(start)
}
