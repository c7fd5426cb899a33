/** The files and batches of a simulated account, in a directory, so that they outlive the simulator. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

export interface StoredFile {
  readonly id: string
  readonly bytes: number
  readonly createdAt: number
  readonly filename: string
  readonly purpose: string
}

export interface StoredBatch {
  readonly id: string
  readonly index: number
  readonly inputFileId: string
  readonly endpoint: string
  readonly metadata: { readonly [key: string]: string } | null
  /** The model, where the batch and not its lines name it. */
  readonly model: string | null
  /** Whether the results are a part of the batch. */
  readonly isInline: boolean
  readonly createdAt: number
  status: string
  outputFileId: string | null
  errorFileId: string | null
  errors: ReadonlyArray<{ readonly code: string; readonly message: string; readonly line: number | null }>
  counts: Counts
  endedAt: number | null
  cancellingAt: number | null
  tokens: number
  /** Reads of its results that fail before one succeeds. */
  missing: number
  isUnknown: boolean
}

/** `completed` are answers. All others failed, and some of them because they expired or were cancelled. */
interface Counts {
  total: number
  completed: number
  failed: number
  expired: number
  cancelled: number
}

interface State {
  readonly files: Array<StoredFile>
  readonly batches: Array<StoredBatch>
}

export interface Store extends State {
  readonly pathOf: (fileId: string) => string
  readonly nextFileId: () => string
  readonly save: () => void
}

/** Opens a directory. Without one, a temporary directory lasts as long as the scope. */
export const open = (directory: string | undefined): Effect.Effect<Store, never, Scope.Scope> =>
  Effect.map(
    directory === undefined
      ? Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "simulated-batches-"))),
        (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
      )
      : Effect.sync(() => {
        Fs.mkdirSync(directory, { recursive: true })
        return directory
      }),
    (path) => {
      const statePath = Path.join(path, "state.json")
      const state: State = Fs.existsSync(statePath)
        ? JSON.parse(Fs.readFileSync(statePath, "utf8")) as State
        : { files: [], batches: [] }
      let next = state.files.length
      return {
        ...state,
        pathOf: (fileId) => Path.join(path, Path.basename(fileId)),
        nextFileId: () => `file-${next++}`,
        save: () => {
          Fs.writeFileSync(`${statePath}.new`, JSON.stringify(state))
          Fs.renameSync(`${statePath}.new`, statePath)
        }
      }
    }
  )
