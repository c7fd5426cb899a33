/** JetStream as a store of `effect/persistence/PersistedQueue`: a work queue, and a pull consumer that all workers share. */
import type { Consumer, JsMsg } from "@nats-io/jetstream"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"

export interface Options {
  readonly servers: string | ReadonlyArray<string>
  readonly replicas: number
  readonly leaseMillis: number
}

const consumerName = "workers"
const nanosOfMilli = 1_000_000
/** How long one request for a message waits at the server. */
const pollMillis = 1_000
const rememberIdsMillis = 120_000

const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, PersistedQueue.PersistedQueueError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new PersistedQueue.PersistedQueueError({ message: `NATS could not ${what}`, cause })
  })

export const make = Effect.fnUntraced(function*(
  { leaseMillis, replicas, servers }: Options
): Effect.fn.Return<PersistedQueue.PersistedQueueStore["Service"], PersistedQueue.PersistedQueueError, Scope.Scope> {
  const transport = yield* attempt("be loaded", () => import("@nats-io/transport-node"))
  const jetstream = yield* attempt("be loaded", () => import("@nats-io/jetstream"))
  const connection = yield* Effect.acquireRelease(
    attempt("connect", () =>
      transport.connect({
        servers: typeof servers === "string" ? servers : [...servers],
        maxReconnectAttempts: -1
      })),
    (connection) => Effect.ignore(attempt("close", () => connection.drain()))
  )
  const client = jetstream.jetstream(connection)
  const manager = yield* attempt("be managed", () => jetstream.jetstreamManager(connection))
  const queues = new Map<string, Consumer>()

  const streamOf = (name: string): string => `ei-${Crypto.hash("sha256", name, "hex").slice(0, 24)}`
  const subjectOf = (name: string): string => `${streamOf(name)}.chunks`

  /** Creates the stream and the consumer unless they exist. */
  const prepare = (name: string) => {
    const stream = streamOf(name)
    return attempt("create the queue", () =>
      manager.streams.add({
        name: stream,
        subjects: [subjectOf(name)],
        retention: jetstream.RetentionPolicy.Workqueue,
        storage: jetstream.StorageType.File,
        num_replicas: replicas,
        duplicate_window: rememberIdsMillis * nanosOfMilli
      })).pipe(
        Effect.andThen(attempt("create the queue", () =>
          manager.consumers.add(stream, {
            durable_name: consumerName,
            ack_policy: jetstream.AckPolicy.Explicit,
            ack_wait: leaseMillis * nanosOfMilli,
            max_deliver: -1,
            max_ack_pending: -1
          }))),
        Effect.andThen(attempt("create the queue", () => client.consumers.get(stream, consumerName)))
      )
  }

  const queueOf = (name: string): Effect.Effect<Consumer, PersistedQueue.PersistedQueueError> =>
    Effect.suspend(() => {
      const known = queues.get(name)
      return known === undefined
        ? Effect.tap(prepare(name), (consumer) => Effect.sync(() => queues.set(name, consumer)))
        : Effect.succeed(known)
    })

  return PersistedQueue.PersistedQueueStore.of({
    offer: ({ delay, element, id, name }) =>
      queueOf(name).pipe(
        Effect.andThen(delay === undefined ? Effect.void : Effect.sleep(delay)),
        Effect.andThen(
          attempt(
            "take a message",
            () => client.publish(subjectOf(name), JSON.stringify({ id, element }), { msgID: id })
          )
        ),
        Effect.asVoid
      ),
    take: ({ maxAttempts, name, retryDelay }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const consumer = yield* restore(queueOf(name))
          const message = yield* restore(receive(consumer))
          const attempts = message.info.deliveryCount
          const { element, id } = message.json<{ readonly id: string; readonly element: unknown }>()
          yield* Effect.addFinalizer((exit) =>
            Effect.ignore(settle(exit, {
              done: attempt("acknowledge a message", () => message.ackAck()),
              // As a new message, because this delivery shall not count.
              giveBack: Effect.andThen(
                attempt("give a message back", () => client.publish(subjectOf(name), message.data)),
                attempt("give a message back", () => message.ackAck())
              ),
              again: attempts >= maxAttempts
                ? Effect.sync(() => message.term("too many attempts"))
                : Effect.map(retryDelay(attempts), (delay) => message.nak(Duration.toMillis(delay)))
            }))
          )
          yield* Effect.sync(() => message.working()).pipe(
            Effect.repeat(Schedule.spaced(Duration.millis(leaseMillis / 4))),
            Effect.forkScoped
          )
          return { id, attempts, element }
        })
      ),
    // The server removes messages once they are acknowledged.
    cleanup: () => Effect.void
  })
})

/** Waits for a message. One that arrives after an interruption is given back at once. */
const receive = (consumer: Consumer): Effect.Effect<JsMsg, PersistedQueue.PersistedQueueError> =>
  Effect.callback<JsMsg | null, PersistedQueue.PersistedQueueError>((resume) => {
    let isWanted = true
    consumer.next({ expires: pollMillis }).then(
      (message) => {
        if (isWanted) resume(Effect.succeed(message))
        else message?.nak()
        return undefined
      },
      (cause: unknown) =>
        resume(
          Effect.fail(new PersistedQueue.PersistedQueueError({ message: "NATS could not give a message", cause }))
        )
    )
    return Effect.sync(() => {
      isWanted = false
    })
  }).pipe(Effect.flatMap((message) => message === null ? receive(consumer) : Effect.succeed(message)))

type Settle = Effect.Effect<unknown, PersistedQueue.PersistedQueueError>

const settle = (
  exit: Exit.Exit<unknown, unknown>,
  { again, done, giveBack }: { readonly done: Settle; readonly giveBack: Settle; readonly again: Settle }
): Settle => Exit.isSuccess(exit) ? done : Cause.hasInterruptsOnly(exit.cause) ? giveBack : again
