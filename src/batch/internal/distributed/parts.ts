/** What `BatchQueue` keeps to itself. */
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import type { RecordTable } from "../sql/recordTable.ts"
import type { Tables } from "./jobTable.ts"

export interface Parts {
  readonly factory: PersistedQueue.PersistedQueueFactory["Service"]
  readonly tables: Tables
  readonly records: RecordTable
}
