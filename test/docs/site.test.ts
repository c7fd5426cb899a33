import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { entryPoints } from "../../scripts/api.ts"
import { brokenLinks, prepare } from "../../scripts/docs.ts"
import * as Llms from "../../scripts/docs/llms.ts"

const isBuilt = entryPoints(path.join(import.meta.dirname, "../..")).every(({ file }) => fs.existsSync(file))
const name = isBuilt ? "the site" : "the site: skipped, because dist is missing or old (npm run build)"

// oxlint-disable-next-line vitest/valid-title
describe.skipIf(!isBuilt)(name, () => {
  const site = isBuilt ? prepare({ withCommand: false }) : { pages: new Map<string, string>(), members: [] }

  it("has no link that leads nowhere", () => {
    assert.deepStrictEqual(brokenLinks(site), [])
  })

  it("has every public export in its API reference, with a sentence", () => {
    assert.isAbove(site.members.length, 300)
    assert.deepStrictEqual(site.members.filter(({ sentence }) => !/\w/.test(sentence)).map(({ name }) => name), [])
    // Types are explained by what they are for. New values need an example: the share must not fall.
    const share = site.members.filter(({ hasExample }) => hasExample).length / site.members.length
    assert.isAbove(share, 0.42)
    for (const member of ["Batch.report", "Extraction.make", "OpenAi.layerConfig", "MockLlm.layer"]) {
      assert.isTrue(site.members.some(({ hasExample, name }) => name === member && hasExample), member)
    }
  })
})

describe("llms.txt", () => {
  it("lists the pages with a sentence each, and the full text holds them", () => {
    const pages = [{ title: "Batches", link: "/batches.html", text: "# Batches\n\nMany texts: at once.\n\nMore." }]
    assert.include(Llms.list(pages), "- [Batches](/batches.html): Many texts:")
    assert.include(Llms.full(pages), "Many texts: at once.\n\nMore.")
  })
})
