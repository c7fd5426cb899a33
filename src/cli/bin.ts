#!/usr/bin/env -S node --max-semi-space-size=16
/**
 * The `effect-instructor` command. A young generation of 16 MB is enough for it; left to itself, V8 lets it grow as long
 * as there is memory, and twice as much of that is in use.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import { createRequire } from "node:module"
import Process from "node:process"
import { extract } from "./commands/extract.ts"
import { Stopping } from "./stopping.ts"
import { run } from "./commands/run.ts"
import { schema } from "./commands/schema.ts"
import { simulate } from "./commands/simulate.ts"

const command = Command.make("effect-instructor").pipe(
  Command.withDescription("Typed values out of text, with language models"),
  Command.withSubcommands([run, extract, schema, simulate])
)

/** What went wrong, and where to read more; not the whole manual, and not among the data. */
const presenter: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const problems = event.errors.map(({ message }) => message).join("\n")
    return Console.error(`${problems}\n\nSee ${event.commandPath.join(" ")} --help`)
  }
}

/** Two folders up, from the source and from what is built of it. */
const { version } = createRequire(import.meta.url)("../../package.json")

/** A model's words may be in a message, and are not to move the cursor of a terminal. */
const withoutControls = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, "")

const stopping = Latch.makeUnsafe(false)

const program = Command.run(command, { version }).pipe(
  // Whoever reads this sees what is wrong, and not that an error was thrown.
  Effect.tapError((error) =>
    error._tag === "CommandFailure" && error.message !== ""
      ? Console.error(withoutControls(error.message))
      : Effect.void
  ),
  // @effect-diagnostics-next-line strictEffectProvide:off
  Effect.provide(Layer.mergeAll(NodeServices.layer, CliOutput.layerPresenter(presenter))),
  Effect.provideService(Stopping, stopping),
  Effect.provideService(References.LogToStderr, true)
)

const interruptedCode = 130

/** `npx`, `timeout` and others pass a signal on that the terminal has sent to all of them already. */
const secondsOfEchoes = 0.5

/** The first signal lets what is in flight end, the second does not. */
const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let firstAt = Infinity
  const onSignal = (): void => {
    if (Process.uptime() > firstAt + secondsOfEchoes) Process.exit(interruptedCode)
    if (stopping.isOpen()) return
    firstAt = Process.uptime()
    stopping.openUnsafe()
    fiber.interruptUnsafe()
  }
  Process.on("SIGINT", onSignal)
  Process.on("SIGTERM", onSignal)
  // Nobody is left to be told.
  Process.stderr.on("error", () => undefined)
  fiber.addObserver((exit) => teardown(exit, (code) => Process.exit(code)))
})

runMain(program)
