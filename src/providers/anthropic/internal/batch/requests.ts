/** The lines of a batch as the JSON of one request, without holding them in memory. */
import * as Stream from "effect/Stream"

const lineFeed = 10
const comma = 44
const space = 32

const encoder = new TextEncoder()
const before = encoder.encode(`{"requests":[`)
const after = encoder.encode("]}")

/** The bytes of the JSON. */
export const bytesOf = (bytes: number): number => before.length + bytes + after.length

/** Every line feed becomes a comma, but for the last one. JSON has no line feeds in strings. */
export const toJson = <E>(lines: Stream.Stream<Uint8Array, E>, requests: number): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let left = requests
    const separated = Stream.map(lines, (chunk) => {
      // The chunk may be read again.
      const copy = chunk.slice()
      for (let at = copy.indexOf(lineFeed); at !== -1; at = copy.indexOf(lineFeed, at + 1)) {
        copy[at] = --left === 0 ? space : comma
      }
      return copy
    })
    return Stream.concat(Stream.concat(Stream.succeed(before), separated), Stream.succeed(after))
  })
