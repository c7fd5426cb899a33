/** Removes secrets from texts that are shown: the key, and what looks like a key or like credentials in a URL. */
import * as Result from "effect/Result"

export const makeScrub = (secrets: ReadonlyArray<string>): (text: string) => string => {
  const long = secrets.filter((secret) => secret.length >= 8)
  return (text) =>
    long.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
      // OpenAI quotes a wrong key with its middle starred out, and fetch quotes a URL with the password in it.
      .replace(/\bsk-[\w*-]+/g, "<redacted>")
      .replace(/\bhttps?:\/\/[^\s"'<>]+/g, publicUrl)
}

/** A URL without the credentials and the query that it may contain. */
export const publicUrl = (text: string): string => {
  const url = Result.getOrUndefined(Result.try(() => new URL(text)))
  return url === undefined ? "<invalid URL>" : `${url.origin}${url.pathname}`
}
