/** Shows the progress of a run on standard error. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import Process from "node:process"
import { printable, printableLine } from "../../internal/printable.ts"
import type { Status } from "./progressText.ts"
import * as ProgressText from "./progressText.ts"
import * as StatusLines from "./statusLines.ts"

export type Style = "bar" | "plain" | "json" | "quiet"

/** The rest of the command prints through this, so that its lines do not mix with the bar. */
export interface ProgressView {
  readonly style: Style
  /** Prints lines that stay. */
  readonly print: (text: string) => Effect.Effect<void>
  /** Shows the status at intervals for as long as the scope lives. */
  readonly show: (status: Effect.Effect<Status>) => Effect.Effect<void, never, Scope.Scope>
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

const intervals = { bar: "100 millis", json: "1 second", plain: "5 seconds" } as const

export const make = (style: Style): ProgressView => {
  const lines = style === "bar" ? StatusLines.make(Process.stderr) : undefined
  const print = (text: string): Effect.Effect<void> =>
    Effect.sync(() => {
      if (style !== "quiet") (lines?.print ?? writeError)(printable(text))
    })

  const draw = (status: Status): void => {
    if (lines !== undefined) lines.draw(ProgressText.bar(status, Process.stderr.columns ?? 80).map(printableLine))
    else writeError(style === "json" ? ProgressText.json(status) : printableLine(ProgressText.line(status)))
  }

  return {
    style,
    print,
    show: (status) => {
      if (style === "quiet") return Effect.void
      return Effect.map(status, draw).pipe(
        Effect.repeat(Schedule.spaced(intervals[style])),
        Effect.delay(intervals[style]),
        Effect.forkScoped,
        Effect.andThen(Effect.addFinalizer(() => Effect.sync(() => lines?.clear())))
      )
    }
  }
}

/** Sends the library's log messages through the view. */
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
