import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { Extraction, Media } from "effect-instructor"
import { AnthropicSimulator, GoogleSimulator, OpenAiSimulator } from "effect-instructor/testing/simulators"

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const png = bytes("\u0089PNG\r\n\u001A\n....")
const pdf = bytes("%PDF-1.7 ...")

describe("Media", () => {
  const make = { image: Media.image, pdf: Media.pdf, audio: Media.audio }

  for (
    const [kind, content, type] of [
      ["image", png, "image/png"],
      ["image", Uint8Array.of(0xFF, 0xD8, 0xFF, 0xE0), "image/jpeg"],
      ["image", bytes("GIF89a"), "image/gif"],
      ["image", bytes("RIFF....WEBPVP8 "), "image/webp"],
      ["pdf", pdf, "application/pdf"],
      ["audio", bytes("RIFF....WAVEfmt "), "audio/wav"],
      ["audio", bytes("ID3...."), "audio/mpeg"]
    ] as const
  ) {
    it.effect(`finds ${type} in the content`, () =>
      Effect.map(make[kind](content), (part) => assert.strictEqual(part.mediaType, type)))
  }

  it.effect("refuses another type, what is too large, and what cannot be read", () =>
    Effect.gen(function*() {
      const failures = yield* Effect.forEach([
        Media.image(pdf),
        Media.pdf(bytes("hello")),
        Media.image(png, { maxBytes: 3 }),
        Media.image("/nowhere/scan.png"),
        Media.pdf("https://example.org/photo.png"),
        Media.image("data:image/png;base64,????")
      ], (effect) => Effect.flip(effect))
      assert.deepStrictEqual(failures.map(({ reason }) => reason), [
        "WrongType",
        "WrongType",
        "TooLarge",
        "Unreadable",
        "WrongType",
        "Unreadable"
      ])
      assert.include(failures[2]!.message, "at most 3")
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.effect("reads a path, and keeps a URL", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFile(`${folder}/scan.bin`, pdf)
      const read = yield* Media.pdf(`${folder}/scan.bin`)
      assert.strictEqual(read.fileName, "scan.bin")
      assert.deepStrictEqual(read.data, pdf)
      const url = yield* Media.image("https://example.org/a/photo.webp?size=2")
      assert.strictEqual(url.mediaType, "image/webp")
      assert.instanceOf(url.data, URL)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))

  const Invoice = Schema.Struct({ total: Schema.Finite })

  it.live("reaches each provider in its own form", () =>
    Effect.gen(function*() {
      const part = yield* Media.pdf(pdf, { fileName: "scan.pdf" })
      const input = [{ role: "user" as const, content: [part, { type: "text" as const, text: "The invoice" }] }]
      const answer = () => ({ total: 3 })
      const ask = Extraction.extract(Invoice, input)
      const openAi = yield* ask.pipe(
        Effect.andThen(OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)),
        Effect.provide(OpenAiSimulator.layerLlm({ answer }))
      )
      assert.include(JSON.stringify(openAi.entries[0]!.request.body), "\"file_data\":\"data:application/pdf;base64,")
      const anthropic = yield* ask.pipe(
        Effect.andThen(AnthropicSimulator.AnthropicSimulator.use(({ ledger }) => ledger)),
        Effect.provide(AnthropicSimulator.layerLlm({ answer }))
      )
      assert.include(
        JSON.stringify(anthropic.entries[0]!.request.body),
        "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\""
      )
      const google = yield* ask.pipe(
        Effect.andThen(GoogleSimulator.GoogleSimulator.use(({ ledger }) => ledger)),
        Effect.provide(GoogleSimulator.layerLlm({ answer }))
      )
      assert.include(
        JSON.stringify(google.entries[0]!.request.body),
        "{\"inlineData\":{\"mimeType\":\"application/pdf\""
      )
    }))
})
