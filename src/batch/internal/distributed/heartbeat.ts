/** Tells the others that a worker is alive, what it has done, and which batches it leaves to others. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Tables from "./jobTable.ts"
import type { Worker } from "./worker.ts"

const every = "2 seconds"

export const heartbeat = (self: Worker): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { parts: { tables } } = self
    const refused = new Set<string>()
    const beat = Effect.gen(function*() {
      yield* Tables.saveWorker(tables, {
        id: self.id,
        fingerprints: self.extractions.map(({ fingerprint }) => fingerprint).join(" "),
        succeeded: self.succeeded,
        failed: self.failed,
        inFlight: self.inFlight,
        note: self.note
      })
      for (const job of yield* Tables.jobs(tables)) {
        const mine = self.extractions.filter(({ name }) => name === job.extraction)
        if (mine.length === 0 || mine.some(({ fingerprint }) => fingerprint === job.fingerprint)) continue
        if (job.isStopped || refused.has(`${job.name} ${job.fingerprint}`)) continue
        refused.add(`${job.name} ${job.fingerprint}`)
        self.note = `refuses the batch ${job.name}, which has another version of ${job.extraction}`
        yield* Effect.logWarning(
          `The batch ${job.name} was fed with another version of the extraction ${job.extraction} ` +
            `(fingerprint ${job.fingerprint}, not ${
              mine[0]!.fingerprint
            }). Its chunks are left to workers with that one`
        )
      }
    }).pipe(Effect.catch((error) => Effect.logWarning("The state of the worker could not be written", error)))
    yield* Effect.addFinalizer(() => Effect.ignore(Tables.removeWorker(tables, self.id)))
    yield* beat
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), beat)))
  })
