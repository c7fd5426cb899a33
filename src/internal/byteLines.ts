/** Lines out of chunks of bytes, without a copy of those that lie within one chunk. */

/** A line is `bytes.subarray(start, end)`, its newline not counted; `offset` is where it begins in the whole. */
export type OnLine = (bytes: Uint8Array, start: number, end: number, offset: number) => void

export interface ByteLines {
  readonly push: (chunk: Uint8Array, onLine: OnLine) => void
  /** What came after the last newline. */
  readonly rest: () => Uint8Array
  /** Where that begins in the whole. */
  readonly restOffset: () => number
}

export interface Options {
  /** The longest line that is kept, in bytes. Of a longer one as many are passed on, which is one too many. */
  readonly maxLength?: number | undefined
}

const newline = 10

export const make = (options?: Options): ByteLines => {
  const kept = (options?.maxLength ?? Infinity) + 1
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

  return {
    push: (chunk, onLine) => {
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
    },
    rest: take,
    restOffset: () => consumed
  }
}
