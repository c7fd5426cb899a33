/** `effect-instructor providers`: what `--model` can name. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Provider from "../../providers/Provider.ts"
import { misconfigured } from "../commandFailure.ts"
import * as StandardOutput from "../output/standardOutput.ts"

export const providers = Command.make("providers", {}, () =>
  Effect.gen(function*() {
    const rows = yield* Effect.forEach(Provider.list, rowOf)
    yield* StandardOutput.write(table([["PREFIX", "KEY", "SET", "MODES", "MODEL", "SERVER"], ...rows]))
  }).pipe(Effect.catchTag("ConfigError", (error) => Effect.fail(misconfigured(error))))).pipe(
    Command.withDescription("List the providers that --model can name, the variables of their keys, and their modes"),
    Command.withExamples([{ command: "effect-instructor providers" }])
  )

const rowOf = (provider: Provider.Description) =>
  Effect.map(Provider.keyIn(provider), (key): ReadonlyArray<string> => [
    provider.prefix,
    provider.apiKeyEnv.join(" or ") || "none needed",
    provider.apiKeyEnv.length === 0 ? "-" : Option.isSome(key) ? "yes" : "no",
    provider.modes.join(" "),
    provider.model ?? "-",
    provider.baseUrl
  ])

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()}\n`).join("")
}
