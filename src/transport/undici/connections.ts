/**
 * The connections to one origin, each used by one request at a time.
 *
 * Written by hand, because undici's `Pool` opens up to twice as many connections as there are requests in flight, looks
 * for a free one in a list, and collapses at ten thousand. Here the one that became free last is used first, so that the
 * others close when they are not needed any more.
 */
import type { Client as UndiciClient } from "undici"
import type { Library } from "./library.ts"

/** What waits for a connection. */
export interface Waiting {
  readonly onConnection: (connection: Connection) => void
  /** Whether it does not need one any more. */
  readonly isDone: boolean
}

export interface Connection {
  readonly client: UndiciClient
  /** Whether it has answered a request since it was opened, so that the server may have closed it meanwhile. */
  reused: boolean
  /** Its place in the list of free connections, or -1. */
  index: number
}

export class Connections {
  readonly #Client: Library["Client"]
  readonly #origin: string
  readonly #options: UndiciClient.Options
  readonly #max: number
  readonly #free: Array<Connection> = []
  readonly #all = new Set<Connection>()
  /** Requests that wait for one of `max` connections, from `#next` on. */
  #waiting: Array<Waiting> = []
  #next = 0

  constructor(
    { Client }: Pick<Library, "Client">,
    origin: string,
    options: UndiciClient.Options,
    max: number | undefined
  ) {
    this.#Client = Client
    this.#origin = origin
    this.#options = options
    this.#max = max ?? Number.POSITIVE_INFINITY
  }

  acquire(waiting: Waiting): void {
    const connection = this.#free.pop()
    if (connection !== undefined) {
      connection.index = -1
      waiting.onConnection(connection)
    } else if (this.#all.size < this.#max) waiting.onConnection(this.#open())
    else this.#waiting.push(waiting)
  }

  release(connection: Connection): void {
    while (this.#next < this.#waiting.length) {
      const waiting = this.#waiting[this.#next++]!
      if (this.#next > 1024 && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next)
        this.#next = 0
      }
      if (waiting.isDone) continue
      waiting.onConnection(connection)
      return
    }
    if (!this.#all.has(connection)) return
    connection.index = this.#free.push(connection) - 1
  }

  #open(): Connection {
    const client = new this.#Client(this.#origin, this.#options)
    const connection: Connection = { client, reused: false, index: -1 }
    this.#all.add(connection)
    client.on("disconnect", () => {
      connection.reused = false
      if (connection.index !== -1 && this.#all.has(connection)) this.#drop(connection)
    })
    return connection
  }

  /** Forgets a free connection that was closed, so that a peak of requests does not keep its memory. */
  #drop(connection: Connection): void {
    const last = this.#free.pop()!
    if (last !== connection) {
      this.#free[connection.index] = last
      last.index = connection.index
    }
    connection.index = -1
    this.#all.delete(connection)
    void connection.client.destroy()
  }

  destroy(): Promise<unknown> {
    const clients = Array.from(this.#all, ({ client }) => client.destroy())
    this.#all.clear()
    this.#free.length = 0
    return Promise.allSettled(clients)
  }
}
