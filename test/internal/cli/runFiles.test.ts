import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem } from "effect"
import * as RunFiles from "../../../src/cli/output/runFiles.ts"

describe("runFiles", () => {
  it.effect("knows a file by each of its names, whether it exists or not", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const at = (name: string) => `${folder}/${name}`
      for (const name of ["in.txt", "schema.ts", "who.txt"]) yield* fs.writeFileString(at(name), name)
      yield* fs.symlink("in.txt", at("link"))
      yield* fs.link(at("in.txt"), at("hard"))
      yield* fs.symlink("out", at("nowhere"))
      const files = { input: at("in.txt"), output: at("out"), schema: `${at("schema.ts")}#A`, journal: undefined }
      yield* RunFiles.check(files)
      yield* RunFiles.check({ ...files, output: "/dev/null", input: "/dev/null", cache: at("cache") })
      for (
        const [more, sentence] of [
          [{ output: at("./in.txt") }, `The output ${at("./in.txt")} is the input itself`],
          [{ output: at("hard") }, `The output ${at("hard")} is the input itself`],
          [{ journal: at("link") }, `The journal ${at("link")} is the input itself`],
          [{ journal: at("nowhere") }, `The journal ${at("nowhere")} is the output itself`],
          [{ journal: `${folder}/../${folder.split("/").at(-1)}/out` }, `is the output itself`],
          [{ journal: at("schema.ts") }, `The journal ${at("schema.ts")} is the schema itself`],
          [{ cache: at("out") }, `The cache ${at("out")} is the output itself`],
          [{ cache: at("out.journal") }, `The cache ${at("out.journal")} is the journal itself`],
          [{ cache: at("out.journal.lock") }, "is the lock file of the journal itself"],
          [{ cache: at("a"), output: at("a-wal") }, "is the output itself"],
          [{ instructionsFile: at("who.txt"), output: at("who.txt") }, "is the instructions file itself"]
        ] as const
      ) {
        const exit = yield* Effect.exit(RunFiles.check({ ...files, ...more }))
        assert.include(String(Exit.isFailure(exit) ? exit.cause : ""), sentence)
      }
    }).pipe(Effect.provide(NodeServices.layer)))
})
