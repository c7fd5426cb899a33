/** The options of the command, as the command itself prints them. */
import { execFileSync } from "node:child_process"
import * as path from "node:path"

const bin = path.join(import.meta.dirname, "../../src/cli/bin.ts")

const help = (...args: ReadonlyArray<string>): string =>
  execFileSync(process.execPath, ["--conditions=effect-instructor/source", bin, ...args, "--help"], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", NODE_NO_WARNINGS: "1" }
  })

/** The global flags are the same for each command. */
const withoutGlobals = (text: string): string => text.replace(/GLOBAL FLAGS\n(?: {2}.*\n)+\n?/, "").trimEnd()

export const make = (): string => {
  const main = help()
  const [, list = ""] = /SUBCOMMANDS\n((?: {2}.*\n?)+)/.exec(main) ?? []
  const commands = Array.from(list.matchAll(/^ {2}(\S+)/gm), ([, name]) => name!)
  if (commands.length === 0) throw new Error("The command lists no subcommands")
  const parts = commands.map((name) => `## ${name}\n\n\`\`\`text\n${withoutGlobals(help(name))}\n\`\`\`\n`)
  return `# Options of the command\n\nGenerated from \`--help\`. What they do together is in [CLI](cli.md).\n\n\`\`\`text\n${main.trimEnd()}\n\`\`\`\n\n${
    parts.join("\n")
  }`
}
