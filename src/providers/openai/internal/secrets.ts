/** Removes secrets from texts that are shown: the key, and what looks like a key or like credentials in a URL. */
import { publicUrl } from "./baseUrl.ts"

export const makeScrub = (secrets: ReadonlyArray<string>): (text: string) => string => {
  const long = secrets.filter((secret) => secret.length >= 8)
  return (text) =>
    long.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
      // OpenAI quotes a wrong key with its middle starred out, and fetch quotes a URL with the password in it.
      .replace(/\bsk-[\w*-]+/g, "<redacted>")
      .replace(/\bhttps?:\/\/[^\s"'<>]+/g, publicUrl)
}
