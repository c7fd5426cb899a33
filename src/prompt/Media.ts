/**
 * Images, PDFs and audio as parts of a prompt: from a path, a URL, a `data:` URL or bytes. The type is found in the
 * content.
 *
 * @since 0.1.0
 */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * Where a file comes from: a path, an `http:`, `https:` or `data:` URL, or its bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Source = string | URL | Uint8Array

/**
 * The options of every constructor.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The name of the file, for providers that show it to the model.
   *
   * @default the last part of the path
   */
  readonly fileName?: string | undefined
  /**
   * The most bytes of a file.
   *
   * @default 20_971_520
   */
  readonly maxBytes?: number | undefined
}

/**
 * A file that cannot be sent: it cannot be read, is too large, or is of another type.
 *
 * **Example** (A file of another type)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Media } from "effect-instructor"
 *
 * const program = Media.pdf(new TextEncoder().encode("no PDF")).pipe(
 *   Effect.catchTag("MediaError", ({ reason }) => Effect.succeed(reason))
 * )
 *
 * await Effect.runPromise(program) // => "WrongType"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class MediaError extends Schema.TaggedError<MediaError>()("MediaError", {
  reason: Schema.Literals(["Unreadable", "TooLarge", "WrongType"]),
  description: Schema.String
}) {
  override get message(): string {
    return this.description
  }
}

const defaultMaxBytes = 20 * 1024 * 1024

type Kind = "image" | "pdf" | "audio"

/** Only a path needs the file system, which the overloads say. */
function constructor(kind: Kind): Constructor {
  return ((source: Source, options?: Options) => make(kind, source, options)) as Constructor
}

/**
 * An image: JPEG, PNG, GIF or WebP. A URL is sent as it is.
 *
 * **Example** (An image from bytes)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Media } from "effect-instructor"
 *
 * const program = Effect.map(Media.image(Uint8Array.of(0xFF, 0xD8, 0xFF, 0xE0)), ({ mediaType }) => mediaType)
 *
 * await Effect.runPromise(program) // => "image/jpeg"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const image: Constructor = constructor("image")

/**
 * A PDF. A URL is sent as it is.
 *
 * **Example** (A PDF behind a URL)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Media } from "effect-instructor"
 *
 * const program = Effect.map(Media.pdf(new URL("https://example.com/invoice.pdf")), ({ mediaType }) => mediaType)
 *
 * await Effect.runPromise(program) // => "application/pdf"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const pdf: Constructor = constructor("pdf")

/**
 * Audio: WAV, MP3, Ogg or FLAC.
 *
 * **Example** (A recording in a file)
 *
 * ```ts
 * import { Extraction, Media } from "effect-instructor"
 * import { Effect, Schema } from "effect"
 *
 * const topic = Extraction.make({ schema: Schema.Struct({ topic: Schema.String }) })
 *
 * export const program = Effect.map(Media.audio("call.mp3"), (recording) => ({ topic, recording }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const audio: Constructor = constructor("audio")

/**
 * A constructor of a part. A path needs the file system.
 *
 * @category models
 * @since 0.1.0
 */
export interface Constructor {
  (source: URL | Uint8Array, options?: Options): Effect.Effect<Prompt.FilePart, MediaError>
  (source: Source, options?: Options): Effect.Effect<Prompt.FilePart, MediaError, FileSystem.FileSystem>
}

const make = (
  kind: Kind,
  source: Source,
  options: Options | undefined
): Effect.Effect<Prompt.FilePart, MediaError, FileSystem.FileSystem> => {
  const fileName = options?.fileName ?? nameOf(source)
  const text = source instanceof URL ? source.href : source
  if (!Predicate.isString(text)) return fromBytes(kind, text, fileName, options)
  if (/^https?:/i.test(text)) return fromUrl(kind, text, fileName)
  if (/^data:/i.test(text)) return fromDataUrl(kind, text, fileName, options)
  return FileSystem.FileSystem.use((fs) =>
    Effect.gen(function*() {
      const path = text.startsWith("file:") ? decodeURIComponent(new URL(text).pathname) : text
      const failed = (error: { readonly message: string }) =>
        new MediaError({ reason: "Unreadable", description: `The file ${path} cannot be read: ${error.message}` })
      const { size } = yield* Effect.mapError(fs.stat(path), failed)
      const excess = tooLarge(Number(size), fileName ?? path, options)
      if (excess !== undefined) return yield* excess
      return yield* fromBytes(kind, yield* Effect.mapError(fs.readFile(path), failed), fileName, options)
    })
  )
}

const nameOf = (source: Source): string | undefined => {
  const text = source instanceof URL ? source.pathname : source
  if (!Predicate.isString(text) || text.startsWith("data:")) return undefined
  return text.replace(/[?#].*$/, "").split(/[\\/]/).at(-1) || undefined
}

const tooLarge = (size: number, name: string, options: Options | undefined): MediaError | undefined => {
  const { maxBytes = defaultMaxBytes } = options ?? {}
  return size <= maxBytes ? undefined : new MediaError({
    reason: "TooLarge",
    description: `${name} has ${size} bytes, and at most ${maxBytes} are sent`
  })
}

const fromBytes = (
  kind: Kind,
  data: Uint8Array,
  fileName: string | undefined,
  options: Options | undefined
): Effect.Effect<Prompt.FilePart, MediaError> => {
  const excess = tooLarge(data.length, fileName ?? `The ${kind}`, options)
  if (excess !== undefined) return Effect.fail(excess)
  const mediaType = typeOf(data)
  return mediaType !== undefined && fits(kind, mediaType)
    ? Effect.succeed(toPart(mediaType, data, fileName))
    : Effect.fail(wrongType(kind, fileName, mediaType))
}

const fromDataUrl = (
  kind: Kind,
  url: string,
  fileName: string | undefined,
  options: Options | undefined
): Effect.Effect<Prompt.FilePart, MediaError> => {
  const [, base64, content] = /^data:[^,;]*(?:;[^,;]+)*?(;base64)?,(.*)$/is.exec(url) ?? []
  const bytes = content === undefined
    ? Result.fail("it has no content")
    : base64 === undefined
    ? Result.try(() => new TextEncoder().encode(decodeURIComponent(content)))
    : Base64.decode(content)
  return Result.isFailure(bytes)
    ? Effect.fail(new MediaError({ reason: "Unreadable", description: "The data: URL cannot be read" }))
    : fromBytes(kind, bytes.success, fileName, options)
}

const fromUrl = (
  kind: Kind,
  text: string,
  fileName: string | undefined
): Effect.Effect<Prompt.FilePart, MediaError> => {
  const url = Result.getOrUndefined(Result.try(() => new URL(text)))
  if (url === undefined) {
    return Effect.fail(new MediaError({ reason: "Unreadable", description: `${JSON.stringify(text)} is not a URL` }))
  }
  const named = extensions[/\.(\w+)$/.exec(url.pathname)?.[1]?.toLowerCase() ?? ""]
  return named !== undefined && !fits(kind, named)
    ? Effect.fail(wrongType(kind, fileName, named))
    : Effect.succeed(toPart(named ?? defaultTypes[kind], url, fileName))
}

const toPart = (mediaType: string, data: Uint8Array | URL, fileName: string | undefined): Prompt.FilePart =>
  Prompt.makePart("file", { mediaType, data, ...(fileName !== undefined && { fileName }) })

const defaultTypes = { image: "image/jpeg", pdf: "application/pdf", audio: "audio/mpeg" } as const

const extensions: Readonly<Record<string, string>> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  gif: "image/gif",
  webp: "image/webp",
  pdf: "application/pdf",
  wav: "audio/wav",
  mp3: "audio/mpeg",
  ogg: "audio/ogg",
  flac: "audio/flac"
}

const fits = (kind: Kind, mediaType: string): boolean =>
  kind === "pdf" ? mediaType === "application/pdf" : mediaType.startsWith(`${kind}/`)

const wrongType = (kind: Kind, fileName: string | undefined, mediaType: string | undefined): MediaError =>
  new MediaError({
    reason: "WrongType",
    description: `${fileName ?? "The file"} is ${mediaType ?? "of an unknown type"}, not ${expected[kind]}`
  })

const expected = {
  image: "a JPEG, PNG, GIF or WebP image",
  pdf: "a PDF",
  audio: "WAV, MP3, Ogg or FLAC audio"
} as const

/** The type that the first bytes of a file tell. */
const typeOf = (bytes: Uint8Array): string | undefined => {
  const at = (start: number, text: string): boolean =>
    [...text].every((char, i) => bytes[start + i] === char.charCodeAt(0))
  if (bytes[0] === 0xFF && bytes[1] === 0xD8 && bytes[2] === 0xFF) return "image/jpeg"
  if (at(0, "\u0089PNG\r\n\u001A\n")) return "image/png"
  if (at(0, "GIF87a") || at(0, "GIF89a")) return "image/gif"
  if (at(0, "RIFF") && at(8, "WEBP")) return "image/webp"
  if (at(0, "RIFF") && at(8, "WAVE")) return "audio/wav"
  if (at(0, "%PDF-")) return "application/pdf"
  if (at(0, "ID3") || bytes[0] === 0xFF && ((bytes[1] ?? 0) & 0xE6) === 0xE2) return "audio/mpeg"
  if (at(0, "OggS")) return "audio/ogg"
  return at(0, "fLaC") ? "audio/flac" : undefined
}
