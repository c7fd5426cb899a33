/** Shows on the standard error where a run stands. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { createLogUpdate } from "log-update"
import Process from "node:process"
import type { Standing } from "./progressText.ts"
import * as ProgressText from "./progressText.ts"

export type Style = "bar" | "plain" | "json" | "quiet"

/** Where the rest of the command writes to, so that nothing is torn apart. */
export interface ProgressView {
  readonly style: Style
  /** Lines that stay. */
  readonly print: (text: string) => Effect.Effect<void>
  /** Shows a standing again and again for as long as the scope, and the last one as it ends. */
  readonly show: (standing: Effect.Effect<Standing>) => Effect.Effect<void, never, Scope.Scope>
}

export const styleOf = (
  flags: { readonly progress: "auto" | "json" | "plain"; readonly quiet: boolean }
): Effect.Effect<Style> =>
  Effect.map(Effect.option(Config.String("TERM")), (term): Style =>
    flags.quiet
      ? "quiet"
      : flags.progress !== "auto"
      ? flags.progress
      : Process.stderr.isTTY && Option.getOrUndefined(term) !== "dumb"
      ? "bar"
      : "plain")

const writeError = (text: string): void => {
  Process.stderr.write(`${text}\n`)
}

export const make = (style: Style): ProgressView => {
  const logUpdate = style === "bar" ? createLogUpdate(Process.stderr) : undefined
  const printUnsafe = (text: string): void => logUpdate === undefined ? writeError(text) : logUpdate.persist(text)
  const print = (text: string) => Effect.sync(() => style === "quiet" ? undefined : printUnsafe(text))

  const draw = (standing: Standing): void => {
    if (logUpdate !== undefined) logUpdate(ProgressText.bar(standing, Process.stderr.columns ?? 80))
    else if (style === "plain") writeError(ProgressText.line(standing))
    else if (style === "json") writeError(ProgressText.json(standing))
  }

  return {
    style,
    print,
    show: (standing) => {
      if (style === "quiet") return Effect.void
      const interval = style === "bar" ? "100 millis" : style === "json" ? "1 second" : "5 seconds"
      return Effect.map(standing, draw).pipe(
        Effect.repeat(Schedule.spaced(interval)),
        Effect.delay(interval),
        Effect.forkScoped,
        Effect.andThen(Effect.addFinalizer(() => Effect.sync(() => logUpdate?.clear())))
      )
    }
  }
}

/** What the library logs goes through the view too. */
export const logging = (view: ProgressView): Context.Context<never> =>
  Context.make(
    Logger.CurrentLoggers,
    new Set([
      Logger.make(({ logLevel, message }) => {
        if (view.style === "json") {
          return writeError(JSON.stringify({ type: "log", level: logLevel, message: text(message) }))
        }
        Effect.runSync(view.print(`${logLevel.toLowerCase()}: ${text(message)}`))
      })
    ])
  )

const text = (message: unknown): string => (Array.isArray(message) ? message : [message]).map(String).join(" ")
