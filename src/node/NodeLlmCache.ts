/**
 * A store for `LlmCache` in a SQLite file, which processes of one machine can share.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as SqliteStore from "./internal/sqliteStore.ts"

/**
 * The location of the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The path of the SQLite file. The file is created if it does not exist, private to the user; its directory is not. */
  readonly path: string
}

/**
 * A store in a SQLite file, for the `store` option of `LlmCache.layer`. Use it where answers must outlive the process or
 * are shared by processes of one machine. A file that another process has locked delays answers of the cache, but never
 * blocks the event loop.
 *
 * **Example** (Answers that outlive the process)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { LlmCache } from "effect-instructor"
 * import { NodeLlmCache } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: "answers.sqlite" }) }).pipe(
 *   Layer.provide(OpenAi.layerConfig())
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (
  options: Options
): Layer.Layer<Persistence.BackingPersistence, Persistence.PersistenceError> =>
  Layer.effect(Persistence.BackingPersistence)(SqliteStore.make(options.path))
