/**
 * Splits chunks of bytes into lines, without copying lines that lie within one chunk.
 *
 * Written by hand: `Stream.splitLines` and `effect/encoding/Ndjson` decode every line to a string. Here a line is found
 * by its offset in the file, is looked at as bytes, and can be limited in length.
 */

/** A line is `bytes.subarray(start, end)`, without its newline; `offset` is its position in the whole input. */
export type OnLine = (bytes: Uint8Array, start: number, end: number, offset: number) => void

export interface ByteLines {
  readonly push: (chunk: Uint8Array, onLine: OnLine) => void
  /** The bytes after the last newline. */
  readonly rest: () => Uint8Array
  /** The position of those bytes in the whole input. */
  readonly restOffset: () => number
}

export interface Options {
  /** The longest line in bytes. Of a longer line, one byte more is passed on, so that it can be told apart. */
  readonly maxLength?: number | undefined
}

const newline = 10

export const make = (options?: Options): ByteLines => {
  const kept = (options?.maxLength ?? Infinity) + 1
  /** The beginning of a line that goes on in the next chunk. */
  let parts: Array<Uint8Array> = []
  let partsLength = 0
  let keptLength = 0
  let consumed = 0

  const keep = (part: Uint8Array): void => {
    partsLength += part.length
    if (keptLength >= kept) return
    const some = part.subarray(0, kept - keptLength)
    parts.push(some)
    keptLength += some.length
  }

  const take = (): Uint8Array => {
    const whole = new Uint8Array(keptLength)
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    parts = []
    partsLength = 0
    keptLength = 0
    return whole
  }

  const push = (chunk: Uint8Array, onLine: OnLine): void => {
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      if (partsLength > 0) {
        keep(chunk.subarray(0, end))
        const length = partsLength
        const line = take()
        onLine(line, 0, line.length, consumed)
        consumed += length + 1
      } else {
        onLine(chunk, start, Math.min(end, start + kept), consumed)
        consumed += end - start + 1
      }
      start = end + 1
    }
    if (start < chunk.length) keep(chunk.subarray(start))
  }

  return { push, rest: take, restOffset: () => consumed }
}
