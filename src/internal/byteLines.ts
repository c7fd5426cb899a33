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

const newline = 10

export const make = (startOffset = 0): ByteLines => {
  let parts: Array<Uint8Array> = []
  let partsLength = 0
  let consumed = startOffset

  const joined = (last: Uint8Array): Uint8Array => {
    const whole = new Uint8Array(partsLength + last.length)
    let at = 0
    for (const part of [...parts, last]) {
      whole.set(part, at)
      at += part.length
    }
    parts = []
    partsLength = 0
    return whole
  }

  return {
    push: (chunk, onLine) => {
      let start = 0
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        if (partsLength > 0) {
          const line = joined(chunk.subarray(0, end))
          onLine(line, 0, line.length, consumed)
          consumed += line.length + 1
        } else {
          onLine(chunk, start, end, consumed)
          consumed += end - start + 1
        }
        start = end + 1
      }
      if (start < chunk.length) {
        parts.push(chunk.subarray(start))
        partsLength += chunk.length - start
      }
    },
    rest: () => joined(new Uint8Array(0)),
    restOffset: () => consumed
  }
}
