/**
 * The one place that removes secrets from what comes from a server, or from the transport, before it becomes a part of an
 * error or of a completion. The text of an answer is the exception: it is the value that was asked for, and stays as it
 * is.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Predicate from "effect/Predicate"
import * as RegEx from "effect/RegExp"
import * as Result from "effect/Result"
import { publicUrl } from "./baseUrl.ts"

export interface Secrets {
  /** Whether the client has any secret. */
  readonly exist: () => boolean
  /** Removes the client's secrets. */
  readonly redact: (text: string) => string
  /** Removes also what looks like a key or like credentials in a URL, and control characters. Use it for messages. */
  readonly scrub: (text: string) => string
}

const mark = "<redacted>"

export const make = (options: {
  readonly baseUrl: string
  /** The headers of every request. */
  readonly headers: unknown
  /** Secrets with a name of their own. */
  readonly fixed?: ReadonlyArray<string | null | undefined> | undefined
  /** The key, where it may change from request to request. */
  readonly key?: (() => string | null | undefined) | undefined
}): Secrets => {
  const fixed = [...options.fixed ?? [], ...headerSecrets(options.headers), ...urlSecrets(options.baseUrl)]
  const keys = new Set<string>()
  let last: string | null | undefined
  let pattern: RegExp | undefined = toPattern(fixed.filter(Predicate.isString))

  const current = (): RegExp | undefined => {
    const key = options.key?.()
    if (key !== last) {
      last = key
      if (Predicate.isString(key)) remember(keys, key)
      pattern = toPattern([...fixed, ...keys].filter(Predicate.isString))
    }
    return pattern
  }

  const redact = (text: string): string => {
    const pattern = current()
    return pattern === undefined ? text : text.replace(pattern, mark)
  }

  return {
    exist: () => current() !== undefined,
    redact,
    scrub: (text) =>
      redact(text)
        // OpenAI quotes a wrong key with its middle starred out, and fetch quotes a URL with the password in it.
        .replace(/\bsk-[\w*-]+/g, mark)
        .replace(/\bhttps?:\/\/[^\s"'<>]+/g, publicUrl)
        // oxlint-disable-next-line eslint/no-control-regex
        .replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]+/g, " ")
  }
}

/** The keys of requests in flight, of which there may be several while they change. */
const maxKeys = 16

const remember = (keys: Set<string>, key: string): void => {
  keys.add(key)
  const [oldest] = keys
  if (keys.size > maxKeys && oldest !== undefined) keys.delete(oldest)
}

/** A shorter text is a secret only as a whole word, because it may be a part of any other. */
const distinctive = 8

const toPattern = (secrets: ReadonlyArray<string>): RegExp | undefined => {
  const forms = new Set(secrets.flatMap(partsOf).flatMap(formsOf).filter((form) => form !== ""))
  if (forms.size === 0) return undefined
  // The longest first: a form may be the beginning of another.
  const sources = [...forms].toSorted((a, b) => b.length - a.length).map((form) =>
    form.length >= distinctive ? RegEx.escape(form) : `(?<![\\w-])${RegEx.escape(form)}(?![\\w-])`
  )
  return new RegExp(sources.join("|"), "g")
}

/** A secret, and what follows its scheme: `Bearer …`, or `Basic …` with a name and a password in Base64. */
const partsOf = (secret: string): ReadonlyArray<string> => {
  const trimmed = secret.trim()
  const [, scheme, credentials] = /^(\w+) +(\S+)$/.exec(trimmed) ?? []
  if (credentials === undefined) return [secret, trimmed]
  const pair = scheme?.toLowerCase() === "basic" ? Result.getOrUndefined(Base64.decodeString(credentials)) : undefined
  return [secret, trimmed, credentials, ...(pair === undefined ? [] : [pair, pair.slice(pair.indexOf(":") + 1)])]
}

/** The encodings in which a server may repeat a secret. */
const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  Result.getOrElse(Result.try(() => encodeURIComponent(secret)), () => ""),
  Base64.encode(secret),
  Base64.encode(secret).replace(/=+$/, ""),
  Base64Url.encode(secret)
]

const secretName = /auth|key|token|secret|cookie|password|credential|session|signature/i

/** The values of headers with the name of a secret, and any other value that is long enough to be one. */
const headerSecrets = (headers: unknown): ReadonlyArray<string> => {
  const entries: ReadonlyArray<readonly [unknown, unknown]> = Predicate.isIterable(headers)
    ? Array.from(headers as Iterable<readonly [unknown, unknown]>)
    : Object.entries(headers ?? {})
  return entries.flatMap(([name, value]) =>
    [value].flat().filter((value): value is string =>
      Predicate.isString(value) && (secretName.test(String(name)) || value.length >= distinctive)
    )
  )
}

/** A password, and the values of the query. */
const urlSecrets = (text: string): ReadonlyArray<string> => {
  const url = Result.getOrUndefined(Result.try(() => new URL(text)))
  return url === undefined ? [] : [decodeURIComponent(url.password), ...url.searchParams.values()]
}
