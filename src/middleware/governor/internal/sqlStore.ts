/**
 * Rate limits in a SQL database.
 *
 * Written by hand: `effect/persistence` has stores in memory and in Redis only. Of the algorithms, the governor needs the
 * token bucket; the others are those of one process.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

export const make = Effect.fnUntraced(function*(
  client: SqlClient.SqlClient
): Effect.fn.Return<RateLimiter.RateLimiterStore["Service"], SqlError, Scope.Scope> {
  const sql = client.withoutTransforms()
  const isPostgres = sql.onDialectOrElse({ pg: () => true, orElse: () => false })
  const statements = [
    ...(isPostgres ? [sql`SELECT pg_advisory_xact_lock(7234019284)`] : []),
    sql`CREATE TABLE IF NOT EXISTS effect_instructor_rate (
      key text PRIMARY KEY, tokens double precision NOT NULL, refilled double precision NOT NULL,
      remaining double precision NOT NULL, asked double precision NOT NULL)`
  ]
  yield* sql.withTransaction(Effect.all(statements, { discard: true }))
  const now = sql.literal(
    isPostgres ? "(extract(epoch FROM clock_timestamp()) * 1000)::double precision" : "(unixepoch('subsec') * 1000.0)"
  )
  const memory = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)

  return RateLimiter.RateLimiterStore.of({
    ...memory,
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) => {
      const rate = Duration.toMillis(refillRate)
      const least = sql.literal(isPostgres ? "LEAST" : "MIN")
      const greatest = sql.literal(isPostgres ? "GREATEST" : "MAX")
      // The time is read once for each statement: `excluded.refilled`.
      const added = sql`floor(${greatest}(0, excluded.refilled - r.refilled) / ${rate})`
      const filled = sql`${least}(${limit}, r.tokens + ${added})`
      return Effect.mapBoth(
        sql`INSERT INTO effect_instructor_rate AS r (key, tokens, refilled, remaining, asked)
          VALUES (${key}, ${allowOverflow || tokens <= limit ? limit - tokens : limit}, ${now}, ${
          limit - tokens
        }, ${now})
          ON CONFLICT (key) DO UPDATE SET
            tokens = CASE WHEN ${allowOverflow ? 1 : 0} = 1 OR ${filled} >= ${tokens} THEN ${filled} - ${tokens}
              ELSE ${filled} END,
            refilled = CASE WHEN ${filled} >= ${limit} THEN excluded.refilled ELSE r.refilled + ${added} * ${rate} END,
            remaining = ${filled} - ${tokens}, asked = excluded.refilled
          RETURNING remaining, asked - refilled AS elapsed`,
        {
          onSuccess: ([row]) => [Number(row?.["remaining"]), Math.max(0, Number(row?.["elapsed"]))] as const,
          onFailure: (cause) =>
            new RateLimiter.RateLimiterError({
              reason: new RateLimiter.RateLimitStoreError({ message: "The rate limit could not be updated", cause })
            })
        }
      )
    }
  })
})
