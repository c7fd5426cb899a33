/** The `effect-instructor` command. `bin.ts` loads it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import Process from "node:process"
import { printable } from "../internal/printable.ts"
import { exitCode } from "./commandFailure.ts"
import { batch } from "./commands/batch.ts"
import { doctor } from "./commands/doctor.ts"
import { evaluate } from "./commands/evaluate.ts"
import { exportValues } from "./commands/export.ts"
import { extract } from "./commands/extract.ts"
import { providers } from "./commands/providers.ts"
import { report } from "./commands/report.ts"
import { run } from "./commands/run.ts"
import { schema } from "./commands/schema.ts"
import { simulate } from "./commands/simulate.ts"
import { status } from "./commands/status.ts"
import { worker } from "./commands/worker.ts"
import * as Defects from "./defects.ts"
import * as Wrapped from "./output/wrapped.ts"
import { Stopping } from "./stopping.ts"

const command = Command.make("effect-instructor").pipe(
  Command.withDescription("Extract typed values from text with language models"),
  Command.withSubcommands([
    run,
    worker,
    status,
    extract,
    report,
    evaluate,
    exportValues,
    schema,
    simulate,
    providers,
    batch,
    doctor
  ])
)

/** Prints usage errors briefly, and on standard error. */
const presenter: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const problems = event.errors.map(({ message }) => message).join("\n")
    return Console.error(`${problems}\n\nSee ${event.commandPath.join(" ")} --help`)
  }
}

const stopping = Latch.makeUnsafe(false)

const program = (version: string) =>
  Command.run(command, { version }).pipe(
    Effect.tapError((error) =>
      error._tag === "CommandFailure" && error.message !== ""
        ? Console.error(printable(error.message))
        : Effect.void
    ),
    Defects.reported,
    // @effect-diagnostics-next-line strictEffectProvide:off
    Effect.provide(
      Layer.mergeAll(NodeServices.layer, CliOutput.layerPresenter(presenter), CliOutput.layer(Wrapped.formatter))
    ),
    Effect.provideService(Stopping, stopping),
    Effect.provideService(References.LogToStderr, true)
  )

const interruptedCode = 130

/** `npx`, `timeout` and others forward a signal that the terminal has sent to every process already. */
const secondsOfEchoes = 0.5

/** The first signal lets the items in flight finish; the second exits at once. */
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
  // What no effect has caught is a bug, too, and must not end with the code of wrong usage.
  Process.on("uncaughtException", (error) => {
    Process.stderr.write(
      `${Defects.defectMessage(error instanceof Error ? error.stack ?? error.message : String(error))}\n`
    )
    Process.exit(exitCode.defect)
  })
  // Without a reader of standard error, messages are dropped.
  Process.stderr.on("error", () => undefined)
  fiber.addObserver((exit) => teardown(exit, (code) => Process.exit(code)))
})

/** Runs the command with the arguments of the process. */
export const main = (version: string): void => runMain(program(version))
