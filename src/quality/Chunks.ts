/** Pieces of a long text, cut where it pauses: at pages, paragraphs, lines, sentences or, at worst, words. */

export interface Chunk {
  readonly index: number
  /** Where it begins in the text, in UTF-16 code units. */
  readonly start: number
  /** Where its own part begins: what is before was the end of the chunk before it, too. */
  readonly ownStart: number
  readonly end: number
  readonly text: string
}

export type Boundary = "page" | "paragraph" | "line"

export interface Options {
  /** The size of a chunk with its overlap, as `size` counts it. */
  readonly max: number
  /** How much of the end of a chunk the next one repeats. */
  readonly overlap: number
  readonly by: Boundary
  readonly size: (text: string) => number
}

/** A line up to this length is never cut, so that no record on a line of its own is. */
const wholeLine = 1000

const boundaries: Readonly<Record<Boundary, RegExp>> = {
  page: /\f/g,
  paragraph: /\n[^\S\n]*\n\s*/g,
  line: /\n/g
}

/** Texts that together are the text, each cut after a match of the pattern. */
const cutAfter = (text: string, pattern: RegExp): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let start = 0
  for (const match of text.matchAll(pattern)) {
    const end = match.index + match[0].length
    parts.push(text.slice(start, end))
    start = end
  }
  if (start < text.length) parts.push(text.slice(start))
  return parts
}

/** Units that fit in a chunk, as large as the boundaries allow. */
const unitsOf = (text: string, { by, max, size }: Options): ReadonlyArray<string> => {
  const order: ReadonlyArray<RegExp> = [
    ...(by === "page" ? [boundaries.page] : []),
    ...(by === "line" ? [] : [boundaries.paragraph]),
    boundaries.line
  ]
  const divide = (part: string, level: number): ReadonlyArray<string> => {
    if (size(part) <= max) return [part]
    const pattern = order[level]
    if (pattern !== undefined) return cutAfter(part, pattern).flatMap((inner) => divide(inner, level + 1))
    return part.length <= wholeLine ? [part] : cutLine(part, max, size)
  }
  return divide(text, 0)
}

/** A long line in pieces of whole sentences or words. */
const cutLine = (line: string, max: number, size: (text: string) => number): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let piece = ""
  for (const word of cutAfter(line, /[.!?。]\s*|\s+/g).flatMap(slices)) {
    if (piece !== "" && piece.length + word.length > wholeLine && size(piece + word) > max) {
      pieces.push(piece)
      piece = ""
    }
    piece += word
  }
  return piece === "" ? pieces : [...pieces, piece]
}

/** Text without any pause, which does not separate the halves of a character. */
const slices = (text: string): ReadonlyArray<string> =>
  text.length <= wholeLine ? [text] : text.match(/[\s\S]{1,1000}(?![\udc00-\udfff])/g) ?? [text]

export const split = (text: string, options: Options): ReadonlyArray<Chunk> => {
  const { max, size } = options
  const overlap = Math.min(Math.max(0, options.overlap), max / 2)
  const units = unitsOf(text, options)
  const sizes = units.map(size)
  const starts: Array<number> = []
  let at = 0
  for (const unit of units) {
    starts.push(at)
    at += unit.length
  }
  const chunks: Array<Chunk> = []
  let next = 0
  while (next < units.length) {
    // The overlap is whole units again, and takes room from the chunk's own ones.
    let first = next
    let total = 0
    while (first > 0 && total + sizes[first - 1]! <= overlap) total += sizes[--first]!
    let last = next
    total += sizes[next]!
    while (last + 1 < units.length && total + sizes[last + 1]! <= max) total += sizes[++last]!
    const end = starts[last]! + units[last]!.length
    chunks.push({
      index: chunks.length,
      start: starts[first]!,
      ownStart: starts[next]!,
      end,
      text: text.slice(starts[first], end)
    })
    next = last + 1
  }
  return chunks
}
