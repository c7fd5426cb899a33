/**
 * Answers that were cut off at the token limit, and the text that continues them. The two are joined only where it is
 * certain how.
 */

/** A value that is shorter is written again, because its end may look whole: `12` of `1234`. */
const shortValue = 200

/**
 * The part of an answer to continue from. It ends before a value that was cut off, or between two words of a long text.
 * Answers without JSON have none.
 */
export const kept = (text: string): string | undefined => {
  const start = text.search(/[{[]/)
  if (start === -1) return undefined
  const open = openString(text, start)
  const end = open === -1 ? text.length : text.length - open <= shortValue ? open : betweenWords(text, open)
  const whole = open === -1 ? text.replace(/[-+.\w\uFFFD]+\s*$/, "") : text.slice(0, end)
  const trimmed = whole.trimEnd()
  return trimmed.length > start ? trimmed : undefined
}

/** Where the string begins that is still open at the end of a text; -1 if there is none. */
const openString = (text: string, start: number): number => {
  let open = -1
  for (let at = start; at < text.length; at++) {
    const c = text[at]
    if (c === "\\" && open !== -1) at++
    else if (c === "\"") open = open === -1 ? at : -1
  }
  return open
}

/** The last space in a string, or its beginning if it has none. A space is never a part of an escape. */
const betweenWords = (text: string, open: number): number => {
  const space = text.lastIndexOf(" ")
  return space > open ? space : open
}

const lengths = [80, 160, 320, 640]

/** The end of an answer, long enough to occur only there if possible. The continuation has to begin with it. */
export const anchorOf = (kept: string): string => {
  const anchors = lengths.map((length) => kept.slice(-length).trimStart())
  return anchors.find((anchor) => kept.indexOf(anchor) === kept.length - anchor.length) ?? anchors.at(-1)!
}

/** A code block that the continuation may begin with. */
const opening = /^\s*(?:```[\w-]*[^\S\n]*\n)?/

/**
 * The answer with its continuation, or `undefined` if the continuation does not begin with the anchor: then it may repeat
 * or leave out something. White space in the anchor may differ.
 */
export const join = (kept: string, continuation: string): string | undefined => {
  const anchor = anchorOf(kept)
  const end = [0, opening.exec(continuation)![0].length]
    .map((at) => endOf(anchor, continuation, at))
    .find((end) => end !== undefined)
  return end === undefined ? undefined : kept + continuation.slice(end)
}

/** Where the anchor ends in a text that has it at a position. */
const endOf = (anchor: string, text: string, position: number): number | undefined => {
  let at = position
  for (const c of anchor) {
    if (/\s/.test(c)) continue
    while (/\s/.test(text[at] ?? "")) at++
    if (!text.startsWith(c, at)) return undefined
    at += c.length
  }
  return at
}
