/** The text of HTML and PDF files, through packages that only some users have. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type CommandFailure, usage } from "../commandFailure.ts"

/** The text of a file, or why it has none. */
type ToText = (bytes: Uint8Array) => Effect.Effect<Result.Result<string, string>>

export interface Kind {
  readonly maxBytes: number
  readonly toText: ToText
}

export const isDocument = (path: string): boolean => /\.(?:html?|pdf)$/i.test(path)

const isPdf = (path: string): boolean => /\.pdf$/i.test(path)

/** No model takes a longer text. */
const maxTextBytes = 16 * 1024 * 1024

/** A PDF file contains pictures and fonts too. */
const maxPdfBytes = 128 * 1024 * 1024

const decoder = new TextDecoder("utf-8", { fatal: true })

const plainText = (bytes: Uint8Array): Result.Result<string, string> =>
  bytes.includes(0)
    ? Result.fail("is binary")
    : Result.mapError(Result.try(() => decoder.decode(bytes)), () => "is not valid UTF-8")

const plain: Kind = { maxBytes: maxTextBytes, toText: (bytes) => Effect.sync(() => plainText(bytes)) }

/** Loads what the files need, so that a missing package is found before anything is sent. */
export const load = Effect.fnUntraced(function*(
  files: ReadonlyArray<string>
): Effect.fn.Return<(file: string) => Kind, CommandFailure> {
  const pdf = files.some(isPdf) ? yield* loadPdf : plain
  const html = files.some((file) => isDocument(file) && !isPdf(file)) ? yield* loadHtml : plain
  return (file) => isPdf(file) ? pdf : isDocument(file) ? html : plain
})

const missing = (kind: string, name: string) => (): CommandFailure =>
  usage(`To read ${kind} files, install the package ${name}: npm install ${name}`)

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const loadHtml: Effect.Effect<Kind, CommandFailure> = Effect.map(
  Effect.tryPromise({ try: () => import("html-to-text"), catch: missing("HTML", "html-to-text") }),
  ({ convert }) => ({
    maxBytes: maxTextBytes,
    toText: (bytes) =>
      Effect.sync(() =>
        Result.flatMap(plainText(bytes), (html) =>
          Result.try({
            try: () => convert(html, htmlOptions),
            catch: (error) => `cannot be read as HTML: ${messageOf(error)}`
          }))
      )
  })
)

/** The words as they are, without the addresses of links and pictures. */
const htmlOptions = {
  wordwrap: false,
  selectors: [
    { selector: "a", options: { ignoreHref: true } },
    { selector: "img", format: "skip" },
    // A file without a body has its title among its text.
    ...["title", "style", "script"].map((selector) => ({ selector, format: "skip" })),
    { selector: "table", format: "dataTable", options: { uppercaseHeaderCells: false } },
    ...["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({ selector, options: { uppercase: false } }))
  ]
}

const loadPdf: Effect.Effect<Kind, CommandFailure> = Effect.map(
  Effect.tryPromise({ try: () => import("unpdf"), catch: missing("PDF", "unpdf") }),
  ({ extractText, getDocumentProxy }) => ({
    maxBytes: maxPdfBytes,
    toText: (bytes) =>
      Effect.acquireUseRelease(
        // The parser takes the bytes away from their owner, and refuses Node's Buffer.
        Effect.tryPromise(() => getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 })),
        (document) => Effect.tryPromise(() => extractText(document, { mergePages: false })),
        (document) => Effect.promise(() => document.loadingTask.destroy())
      ).pipe(
        Effect.match({
          onSuccess: ({ text }) => {
            const pages = text.filter((page) => page.trim() !== "").join("\n\n")
            return pages === ""
              ? Result.fail("has no text: its pages may be pictures, which need optical character recognition first")
              : Result.succeed(pages)
          },
          onFailure: ({ cause }) => Result.fail(`cannot be read as PDF: ${messageOf(cause)}`)
        })
      )
  })
)
