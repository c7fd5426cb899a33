/** Asks before a run pays again for what its journal has answers to. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import Process from "node:process"
import * as ReadLine from "node:readline"
import * as Batch from "../../batch/Batch.ts"
import type { BatchError } from "../../batch/BatchError.ts"
import { Journal } from "../../batch/Journal.ts"
import type * as Llm from "../../llm/Llm.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as InputSource from "../input/inputSource.ts"
import * as Rows from "../input/rows.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"
import * as Format from "../progress/format.ts"

export interface Options {
  readonly extraction: AnyExtraction
  readonly input: InputSource.InputSource
  readonly source: InputSource.Options
  readonly journal: Journal["Service"]
  readonly journalPath: string
  readonly yes: boolean
}

type Services = FileSystem.FileSystem | Stdio.Stdio | Llm.Llm | Scope.Scope

/**
 * Fails if the journal has values, and none of them is of an input of this run. Then the instructions, the schema, the
 * model or the server have changed, or all inputs have.
 */
export const confirm = (options: Options): Effect.Effect<void, CommandFailure, Services> =>
  confirmed(options).pipe(
    Effect.provideService(Journal, options.journal),
    Effect.mapError((error) => error._tag === "BatchError" ? usage(error.message) : error)
  )

const confirmed = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<void, CommandFailure | BatchError, Services | Journal> {
  const { extraction, input, journal, journalPath, source, yes } = options
  if (yes) return
  const rows = Rows.toExtraction(extraction)
  const byId = { id: source.fields.id === undefined ? undefined : Rows.idOf }
  const isKnown = ({ failed, succeeded }: Batch.Preview): boolean => succeeded + failed > 0
  const values = Stream.filter(journal.records, ({ record }) => record.status === "ok")
  const any = yield* Effect.mapError(Stream.runHead(values), ({ message }) => usage(message))
  // Most runs know one of their first inputs, so that the others need not be read.
  if (Option.isNone(any) || isKnown(yield* Batch.preview(rows, input.first, byId))) return
  const all = input.position.totalBytes === undefined
    ? undefined
    : yield* Effect.scoped(
      Effect.flatMap(InputSource.open(source), (again) => Batch.preview(rows, again.rows, byId))
    )
  if (all !== undefined && isKnown(all)) return
  // A preview of nothing, because records of what another one has found to be changed are left out.
  yield* Batch.preview(rows, [])
  const finished = yield* Effect.mapError(Stream.runCount(values), ({ message }) => usage(message))
  const sent = all === undefined ? "All items" : Format.counted(all.pending, "item")
  const problem =
    `The journal ${journalPath} has ${
      Format.counted(finished, "finished item")
    }, and none of the inputs is one of them: ` +
    `the instructions, the schema, the model or the server have changed, or the inputs have. ${sent} would be sent again`
  // A terminal that the input comes from cannot be asked.
  if (source.path !== "-" && Process.stdin.isTTY && Process.stderr.isTTY) {
    if (yield* ask(`${problem}. Continue? [y/N] `)) return
    return yield* usage("Nothing was sent")
  }
  return yield* usage(`${problem}. Use --yes to do so, or another output. Nothing was sent`)
})

const ask = (question: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const terminal = ReadLine.createInterface({ input: Process.stdin, output: Process.stderr })
    let answer = ""
    terminal.on("SIGINT", () => terminal.close())
    terminal.on("close", () => resume(Effect.succeed(/^\s*y(?:es)?\s*$/i.test(answer))))
    terminal.question(question, (text) => {
      answer = text
      terminal.close()
    })
    return Effect.sync(() => terminal.close())
  })
