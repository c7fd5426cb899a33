/**
 * A client of `effect/sql` for SQLite, over the `node:sqlite` of Node itself.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Client from "./internal/sqliteClient.ts"

/**
 * The location of the database.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The path of the file, or `:memory:`. The file is created if it does not exist, private to the user; its directory is
   * not.
   */
  readonly filename: string
}

/**
 * A `SqlClient` for a SQLite file, which processes of one machine can share. Use it for a `SqlJournal` where there is no
 * database server. A file that another process has locked delays statements, but never blocks the event loop.
 *
 * **Example** (A journal in a SQLite file)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { SqlJournal } from "effect-instructor"
 * import { NodeSqlite } from "effect-instructor/node"
 *
 * export const Journal = SqlJournal.layer().pipe(
 *   Layer.provide(NodeSqlite.layer({ filename: "people.sqlite" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError> =>
  Layer.effect(SqlClient.SqlClient, Client.make(options.filename)).pipe(Layer.provide(Reactivity.layer))
