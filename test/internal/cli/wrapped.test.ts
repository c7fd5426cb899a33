import { assert, describe, it } from "@effect/vitest"
import { wrap } from "../../../src/cli/output/wrapped.ts"

describe("wrapped help", () => {
  it("puts the rest of a description below its beginning", () => {
    assert.strictEqual(
      wrap("FLAGS\n  --input, -i file  A file of texts to read\n  --yes             Do not ask", 32),
      "FLAGS\n  --input, -i file\n      A file of texts to read\n  --yes             Do not ask"
    )
    assert.strictEqual(wrap("  --yes  Send all items again", 20), "  --yes  Send all\n         items again")
  })

  it("leaves short lines and long words alone, and does not count colours", () => {
    assert.strictEqual(wrap("short\n\nlines", 5), "short\n\nlines")
    assert.strictEqual(wrap("a https://example.com/long b", 6), "a\nhttps://example.com/long\nb")
    assert.strictEqual(wrap("  \u001b[1m--yes\u001b[0m  Do not", 15), "  \u001b[1m--yes\u001b[0m  Do not")
  })
})
