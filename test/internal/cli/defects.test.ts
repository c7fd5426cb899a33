import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit } from "effect"
import * as Defects from "../../../src/cli/defects.ts"

describe("defects", () => {
  it.effect("are reported on standard error, with an exit code of their own", () =>
    Effect.gen(function*() {
      const printed: Array<unknown> = []
      const error = (text: unknown): void => void printed.push(text)
      const failure = yield* Effect.flip(Defects.reported(Effect.die(new TypeError("Invalid array \u001b[2Jlength"))))
        .pipe(
          Effect.provideService(Console.Console, {
            ...globalThis.console,
            error,
            log: () => assert.fail("standard output")
          })
        )
      assert.strictEqual(failure._tag === "CommandFailure" ? failure.exitCode : undefined, 70)
      assert.strictEqual(failure.message, "")
      assert.match(String(printed[0]), /stopped because of a bug in it[^]*TypeError: Invalid array \[2Jlength/)
    }))

  it.effect("are nothing else: failures and interruptions stay", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Defects.reported(Effect.fail("no"))), "no")
      const exit = yield* Effect.exit(Defects.reported(Effect.interrupt))
      assert.isTrue(Exit.hasInterrupts(exit))
    }))
})
