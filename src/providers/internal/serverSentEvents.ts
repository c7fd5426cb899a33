/**
 * The server-sent events of a streamed answer.
 *
 * Written by hand because reading events is most of the cost of a stream: the SDK's reader takes several times as long
 * for each event and emits them one by one, and `effect/encoding/Sse` inspects every character. Here the bytes of one
 * read are split at their line ends, and all their parts are emitted together.
 */

/** The most characters in a line, which is much more than a whole answer in one event has. */
const maxLine = 64 * 1024 * 1024

export interface Reader {
  /** Reads bytes, and calls `onEvent` for each event that they complete, until it returns false. */
  readonly feed: (chunk: Uint8Array) => void
  /** Whether a line is too long to be read. */
  readonly isTooLong: () => boolean
}

export const make = (onEvent: (name: string, data: string) => boolean): Reader => {
  const decoder = new TextDecoder()
  let ended = false
  let tooLong = false

  // The line that has not ended yet, in the pieces that arrived, and the event that has not ended yet.
  let pieces: Array<string> = []
  let length = 0
  let name = ""
  let data: string | undefined

  const onLine = (line: string): void => {
    if (line === "") {
      if (data !== undefined) ended = !onEvent(name, data)
      name = ""
      data = undefined
    } else if (line.startsWith("data:")) {
      const value = line.slice(line[5] === " " ? 6 : 5)
      data = data === undefined ? value : `${data}\n${value}`
    } else if (line.startsWith("event:")) name = line.slice(6).trim()
  }

  const feed = (chunk: string): void => {
    // A line may also end in CR LF or CR. After a CR at the end of a chunk the LF may follow in the next one.
    const text = chunk.includes("\r") || pieces.at(-1)?.endsWith("\r") === true ? unix(pieces, chunk) : chunk
    let at = 0
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", at)) {
      if (ended) return
      const line = text.slice(at, end)
      if (pieces.length === 0) onLine(line)
      else {
        onLine(pieces.join("") + line)
        pieces = []
        length = 0
      }
      at = end + 1
    }
    if (at === text.length) return
    pieces.push(text.slice(at))
    length += text.length - at
    if (length > maxLine) tooLong = true
  }

  return {
    feed: (chunk) => feed(decoder.decode(chunk, { stream: true })),
    isTooLong: () => tooLong
  }
}

/** A chunk with LF as its only line end. A CR at its very end is kept, because it may be half of a CR LF. */
const unix = (pieces: Array<string>, chunk: string): string => {
  const last = pieces.at(-1)
  let text = chunk
  if (last?.endsWith("\r") === true) {
    pieces[pieces.length - 1] = last.slice(0, -1)
    text = `\r${chunk}`
  }
  const held = text.endsWith("\r") ? text.slice(0, -1) : text
  const out = held.replace(/\r\n?/g, "\n")
  return held === text ? out : `${out}\r`
}
