/** Compressed responses, which some servers send although none was asked for. What they unfold to is bounded. */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Duplex } from "node:stream"
import * as Zlib from "node:zlib"
import { broken, tooLarge } from "../internal/limits.ts"
import type { TransportError } from "../TransportError.ts"

type Inflate = (
  bytes: Uint8Array,
  options: Zlib.ZlibOptions,
  callback: (error: Error | null, result: Buffer) => void
) => void

interface Coding {
  readonly whole: Inflate
  readonly stream: () => Duplex
}

const gzip: Coding = { whole: Zlib.gunzip, stream: Zlib.createGunzip }

/** A map, because an object would find `constructor` as well. */
const codings: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["deflate", { whole: Zlib.inflate, stream: Zlib.createInflate }],
  ["br", { whole: Zlib.brotliDecompress, stream: Zlib.createBrotliDecompress }],
  ["zstd", { whole: Zlib.zstdDecompress as Inflate, stream: Zlib.createZstdDecompress }]
])

/** The codings to undo, the last one that was applied first. An unknown one is taken for none, as `fetch` does. */
const codingsOf = (encoding: string): ReadonlyArray<Coding> =>
  encoding.toLowerCase().split(",").flatMap((name) => codings.get(name.trim()) ?? []).toReversed()

/** More than this is no response, but an attack. */
const maxCodings = 4

export const whole = (bytes: Buffer, encoding: string, maximum: number): Effect.Effect<Buffer, TransportError> =>
  codingsOf(encoding).slice(0, maxCodings).reduce(
    (effect, { whole }) =>
      Effect.flatMap(effect, (bytes) =>
        Effect.callback<Buffer, TransportError>((resume) => {
          whole(bytes, { maxOutputLength: maximum }, (error, result) => {
            if (error === null) resume(Effect.succeed(result))
            else {
              const isTooLarge = "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
              resume(Effect.fail(isTooLarge ? tooLarge(maximum) : broken(error)))
            }
          })
        })),
    Effect.succeed(bytes) as Effect.Effect<Buffer, TransportError>
  )

export const stream = (
  chunks: Stream.Stream<Uint8Array, TransportError>,
  encoding: string | undefined,
  bounded: (chunks: Stream.Stream<Uint8Array, TransportError>) => Stream.Stream<Uint8Array, TransportError>
): Stream.Stream<Uint8Array, TransportError> => {
  const found = encoding === undefined ? [] : codingsOf(encoding).slice(0, maxCodings)
  return found.length === 0 ? chunks : bounded(found.reduce(inflated, chunks))
}

const inflated = (
  chunks: Stream.Stream<Uint8Array, TransportError>,
  { stream }: Coding
): Stream.Stream<Uint8Array, TransportError> =>
  Stream.pipeThroughChannel(
    chunks,
    Channel.fromTransformStream({
      evaluate: () => Duplex.toWeb(stream()) as TransformStream<Uint8Array, Uint8Array>,
      onError: broken
    })
  )

/** UTF-8 without a byte order mark. */
export const text = (bytes: Buffer): string => {
  const text = bytes.toString()
  return text.charCodeAt(0) === 0xFEFF ? text.slice(1) : text
}
