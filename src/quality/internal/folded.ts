/**
 * A text in which only letters and digits count: without case, accents, ligatures, punctuation, hyphenation and line
 * breaks. Each character knows the place in the original that it comes from.
 */

export interface Folded {
  /** Words with one space between them. */
  readonly text: string
  /** For each character of `text`, where it begins and ends in the original, in UTF-16 code units. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** What a character becomes: letters and digits, nothing (`""`), or a space between words (`" "`). */
const cache = new Map<number, string>()

/** Marks that belong to the word around them: soft hyphens, joiners and apostrophes. */
const inside = /^[\p{Cf}\p{Mn}'’ʼ‘`´]$/u
const word = /^[\p{L}\p{N}]+$/u

const foldCharacter = (codePoint: number): string => {
  const known = cache.get(codePoint)
  if (known !== undefined) return known
  const character = String.fromCodePoint(codePoint)
  const folded = inside.test(character)
    ? ""
    : character.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").replaceAll("ß", "ss")
  const result = folded === "" || word.test(folded) ? folded : " "
  if (cache.size < 20_000) cache.set(codePoint, result)
  return result
}

const isHyphen = (code: number): boolean => code === 0x2d || code >= 0x2010 && code <= 0x2015 || code === 0x2212
const isSpace = (code: number): boolean => code === 0x20 || code >= 9 && code <= 13 || code === 0xa0
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** Where the letter after a hyphen begins, line breaks included; -1 if the hyphen does not join two letters. */
const joinedAt = (source: string, hyphen: number, isAfterLetter: boolean): number => {
  if (!isAfterLetter) return -1
  let at = hyphen + 1
  let breaks = 0
  while (at < source.length && isSpace(source.charCodeAt(at))) {
    const code = source.charCodeAt(at++)
    if (code === 10) breaks++
  }
  if (at > hyphen + 1 && breaks !== 1) return -1
  const next = foldCharacter(source.codePointAt(at) ?? 0x20)
  return next === " " || isDigit(next.charCodeAt(0)) ? -1 : at
}

export const fold = (source: string): Folded => {
  const parts: Array<string> = []
  let size = 0
  let starts = new Int32Array(source.length + 16)
  let ends = new Int32Array(source.length + 16)
  let lastCode = 0x20
  const push = (text: string, start: number, end: number): void => {
    if (size + text.length > starts.length) {
      starts = grow(starts)
      ends = grow(ends)
    }
    for (let i = 0; i < text.length; i++) {
      starts[size] = start
      ends[size++] = end
    }
    parts.push(text)
    lastCode = text.charCodeAt(text.length - 1)
  }
  let at = 0
  while (at < source.length) {
    const code = source.codePointAt(at)!
    const end = at + (code > 0xffff ? 2 : 1)
    if (isHyphen(code)) {
      const joined = joinedAt(source, at, lastCode !== 0x20 && !isDigit(lastCode))
      if (joined !== -1) {
        at = joined
        continue
      }
    }
    const folded = (code === 0x2e || code === 0x2c) && isDigit(lastCode) && isDigit(source.charCodeAt(end))
      ? "."
      : foldCharacter(code)
    if (folded !== " " && folded !== "") push(folded, at, end)
    else if (folded === " " && lastCode !== 0x20) push(" ", at, end)
    at = end
  }
  if (size > 0 && lastCode === 0x20) {
    size--
    parts.pop()
  }
  return { text: parts.join(""), starts: starts.subarray(0, size), ends: ends.subarray(0, size) }
}

const grow = (array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(array.length * 2 + 16)
  larger.set(array)
  return larger
}

/** A character of a script that writes words without spaces between them. */
export const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}]/u

/** Where a folded text occurs in another as whole words, up to `limit` times. */
export const occurrences = (hay: string, needle: string, limit: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  if (needle === "") return found
  const isOpenLeft = unspaced.test(needle[0]!)
  const isOpenRight = unspaced.test(needle[needle.length - 1]!)
  let at = hay.indexOf(needle)
  while (at !== -1 && found.length < limit) {
    const end = at + needle.length
    if (
      (isOpenLeft || at === 0 || hay[at - 1] === " ") && (isOpenRight || end === hay.length || hay[end] === " ")
    ) found.push(at)
    at = hay.indexOf(needle, at + 1)
  }
  return found
}
