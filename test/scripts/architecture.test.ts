import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Architecture from "../../scripts/architecture.ts"

/** The violations of a `src` with the given files, next to a few that break no rule. */
const violationsOf = (files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "architecture-"))
  try {
    for (const [file, text] of Object.entries({ ...allowed, ...files })) {
      fs.mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
      fs.writeFileSync(path.join(root, file), text)
    }
    return Architecture.check(root).violations
  } finally {
    fs.rmSync(root, { recursive: true })
  }
}

const allowed = {
  "index.ts": "export * as Llm from './llm/Llm.ts'\nexport * as Batch from './batch/Batch.ts'",
  "internal/text.ts": "export const text = ''",
  "llm/Llm.ts":
    "import { text } from '../internal/text.ts'\nimport { door } from './internal/door.ts'\nexport { door, text }",
  "llm/internal/door.ts": "import type { Door } from '../LlmRequest.ts'\nexport const door: Door = ''",
  "llm/LlmRequest.ts": "export type Door = string",
  "batch/Batch.ts": "import type { door } from '../llm/Llm.ts'\nexport type Door = typeof door",
  "node/index.ts": "export * as NodeJournal from './NodeJournal.ts'",
  "node/NodeJournal.ts": "import type { Door } from '../batch/Batch.ts'\nexport const open = (): Door => ''",
  "cli/bin.ts":
    "import * as Batch from '../batch/Batch.ts'\nimport { NodeJournal } from '../node/index.ts'\nimport './run.ts'",
  "cli/run.ts": "export {}"
}

describe("the architecture check", () => {
  it("accepts imports from floors below, a folder's own internal, and public modules in the command", () => {
    assert.deepStrictEqual(violationsOf({}), [])
  })

  for (
    const [kind, statement] of [
      ["an import", "import { all } from '../batch/Batch.ts'"],
      ["a type-only import", "import type { All } from '../batch/Batch.ts'"],
      ["a dynamic import", "export const load = () => import('../batch/Batch.ts')"],
      ["the type of an import", "export type All = import('../batch/Batch.ts').All"],
      ["an export", "export { all } from '../batch/Batch.ts'"],
      ["the export of a namespace", "export * as Batch from '../batch/Batch.ts'"]
    ] as const
  ) {
    it(`refuses ${kind} from a floor above`, () => {
      assert.deepStrictEqual(violationsOf({ "llm/Upward.ts": statement }), [
        "llm/Upward.ts → batch/Batch.ts: batch is above llm"
      ])
    })
  }

  it("refuses an import from a folder on the same floor", () => {
    assert.deepStrictEqual(
      violationsOf({ "prompt/Messages.ts": "import '../providers/Door.ts'", "providers/Door.ts": "export {}" }),
      ["prompt/Messages.ts → providers/Door.ts: prompt and providers are on one floor"]
    )
  })

  it("refuses the internal folder of another folder, even below", () => {
    assert.deepStrictEqual(violationsOf({ "batch/Reach.ts": "import '../llm/internal/door.ts'" }), [
      "batch/Reach.ts → llm/internal/door.ts: llm/internal is private to llm"
    ])
    assert.deepStrictEqual(
      violationsOf({
        "middleware/cache/internal/key.ts": "export {}",
        "middleware/budget/Budget.ts": "import '../cache/internal/key.ts'"
      }),
      ["middleware/budget/Budget.ts → middleware/cache/internal/key.ts: middleware/cache/internal is private to middleware/cache"]
    )
  })

  it("refuses a cycle between folders, also one that passes through a file", () => {
    assert.deepStrictEqual(
      violationsOf({
        "providers/openai/OpenAi.ts": "import '../google/Google.ts'",
        "providers/google/Google.ts": "import type {} from '../openai/OpenAi.ts'"
      }),
      [
        "providers/openai/OpenAi.ts → providers/google/Google.ts: a cycle, providers/google/ → providers/openai/ → providers/google/"
      ]
    )
    assert.deepStrictEqual(
      violationsOf({
        "cli/bin.ts": "import './commands/run.ts'",
        "cli/commands/run.ts": "import '../words.ts'",
        "cli/words.ts": "import './commands/run.ts'"
      }),
      ["cli/words.ts → cli/commands/run.ts: a cycle, cli/commands/ → cli/words.ts → cli/commands/"]
    )
  })

  it("refuses a command that uses what no index exports", () => {
    assert.deepStrictEqual(
      violationsOf({
        "cli/run.ts": "import '../llm/LlmRequest.ts'\nimport '../internal/text.ts'\nimport '../llm/internal/door.ts'"
      }),
      [
        "cli/run.ts → llm/LlmRequest.ts: the command uses public modules only",
        "cli/run.ts → llm/internal/door.ts: llm/internal is private to llm"
      ]
    )
  })

  it("refuses a package where not every user has it", () => {
    assert.deepStrictEqual(violationsOf({ "testing/MockLlm.ts": "import type * as Fs from 'node:fs'" }), [
      "testing/MockLlm.ts → node:fs: this package is used in ^(cli|node|testing\\/simulators|transport\\/undici)\\/ only"
    ])
  })

  it("refuses a file that is not there, and a folder without a floor", () => {
    assert.deepStrictEqual(
      violationsOf({ "attic/Old.ts": "import '../llm/Llm.ts'", "llm/Broken.ts": "import './Gone.ts'" }),
      [
        "attic/Old.ts → llm/Llm.ts: attic has no floor in scripts/architecture.ts",
        "llm/Broken.ts → llm/Gone.ts: there is no such file in src"
      ]
    )
  })

  it("refuses long functions and long files", () => {
    const lines = (count: number) => "// line\n".repeat(count)
    assert.deepStrictEqual(violationsOf({ "llm/Long.ts": lines(401) }), ["llm/Long.ts: 401 lines, more than 400"])
    assert.deepStrictEqual(violationsOf({ "llm/Long.ts": `export const f = () => {\n${lines(119)}}` }), [
      "llm/Long.ts:1: a function of 121 lines, more than 120"
    ])
  })
})
