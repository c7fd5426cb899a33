/** The servers that tests use where they run: PostgreSQL, Redis and NATS. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { NodeSqlite } from "effect-instructor/node"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"

export const postgresUrl = process.env["POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/test"

const answers = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = net.connect({ host: hostname, port: Number(port) })
    const end = (answers: boolean) => {
      socket.destroy()
      resolve(answers)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once("connect", () => end(true)).once("error", () => end(false))
  })

export const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379"

export const hasPostgres = await answers(postgresUrl)

export const hasRedis = await answers(redisUrl)

export const natsUrl = process.env["NATS_URL"] ?? "nats://127.0.0.1:4222"
export const hasNats = await answers(natsUrl)

export const Postgres = PgClient.layer({
  url: Redacted.make(postgresUrl),
  maxConnections: 4,
  startupParameters: { plan_cache_mode: "force_custom_plan" }
})

/** A SQLite file that is removed at the end. */
export const Sqlite = Layer.unwrap(Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "sqlite-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
  ),
  (directory) => NodeSqlite.layer({ filename: path.join(directory, "test.sqlite") })
))

let names = 0

/** A name that no other test uses, in this run or another one. */
export const uniqueName = (): string => `test-${process.pid}-${Date.now().toString(36)}-${names++}`
