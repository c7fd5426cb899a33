/** The dialects of `src/schema/dialects`, each a file with one exported dialect. */
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import type { Dialect } from "../../../src/schema/Dialect.ts"

const folder = path.join(import.meta.dirname, "../../../src/schema/dialects")

const isDialect = (u: unknown): u is Dialect => typeof u === "object" && u !== null && "accept" in u && "name" in u

const modules = await Promise.all(
  fs.readdirSync(folder).filter((file) => file.endsWith(".ts")).toSorted()
    .map((file): Promise<Readonly<Record<string, unknown>>> => import(pathToFileURL(path.join(folder, file)).href))
)

export const dialects: ReadonlyArray<Dialect> = modules.flatMap((module) => Object.values(module).filter(isDialect))
