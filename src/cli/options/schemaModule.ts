/** What `--schema` names: a Schema or an Extraction of a module, or a JSON Schema document. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { pathToFileURL } from "node:url"
import * as Extraction from "../../extraction/Extraction.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as InlineSchema from "./inlineSchema.ts"

export type AnyExtraction = Extraction.Extraction<unknown, string>

export const load = Effect.fnUntraced(function*(
  specifier: string
): Effect.fn.Return<AnyExtraction, CommandFailure, FileSystem.FileSystem | Path.Path> {
  if (InlineSchema.isInline(specifier)) return yield* loadInline(specifier)
  const fs = yield* FileSystem.FileSystem
  const hash = specifier.lastIndexOf("#")
  const [file, name] = hash === -1 ? [specifier, undefined] : [specifier.slice(0, hash), specifier.slice(hash + 1)]
  const info = yield* Effect.option(fs.stat(file))
  if (info._tag === "None") return yield* usage(`Cannot read the schema ${file}: the file does not exist`)
  if (info.value.type === "Directory") return yield* usage(`Cannot read the schema ${file}: it is a directory`)
  if (file.endsWith(".json")) return yield* loadDocument(file)
  if (!/\.[cm]?[jt]s$/.test(file)) {
    return yield* usage(`Cannot read the schema ${file}: use a .ts or .js module, or a JSON Schema in a .json file`)
  }
  return yield* loadModule(file, name)
})

const loadInline = (source: string): Effect.Effect<AnyExtraction, CommandFailure> =>
  Effect.mapError(
    Effect.fromResult(
      Result.flatMap(
        InlineSchema.parse(source),
        (document) => Result.mapError(Extraction.fromJsonSchema<string>(document), ({ reason }) => reason.message)
      )
    ),
    (why) => usage(`The schema ${source.trim()} cannot be used: ${why}`)
  )

const loadModule = Effect.fnUntraced(function*(file: string, name: string | undefined) {
  const path = yield* Path.Path
  const exports = yield* Effect.tryPromise({
    try: (): Promise<Exports> => import(pathToFileURL(path.resolve(file)).href),
    catch: (cause) => usage(`Cannot load the schema module ${file}: ${messageOf(cause)}${remedyOf(cause)}`)
  })
  const extraction = yield* Effect.mapError(Effect.fromResult(choose(exports, name)), (why) => usage(`${file} ${why}`))
  // Two copies of Effect cannot read each other's schemas.
  return extraction.schema.ast instanceof classOfNodes
    ? extraction
    : yield* usage(
      `${file} uses another copy of the effect package than this command. ` +
        `Install effect-instructor in the project of ${file}, and run the command there`
    )
})

const classOfNodes = Object.getPrototypeOf(Object.getPrototypeOf(Schema.String.ast)).constructor

/** Node removes types, and runs no syntax that TypeScript turns into code. */
const remedyOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && cause.code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"
    ? ". Node runs no TypeScript enums, namespaces or parameter properties: use Schema.Literals or an object " +
      "with as const, or compile the module to JavaScript"
    : ""

const messageOf = (cause: unknown): string => cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)

const loadDocument = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(file),
    (error) => usage(`Cannot read the schema ${file}: ${error.message}`)
  )
  const document = Result.try((): unknown => JSON.parse(text))
  if (Result.isFailure(document)) return yield* usage(`The schema ${file} is not JSON: ${messageOf(document.failure)}`)
  return yield* Effect.mapError(
    Effect.fromResult(Extraction.fromJsonSchema<string>(document.success)),
    (error) => usage(`The schema ${file} cannot be used: ${error.reason.message}`)
  )
})

type Exports = Readonly<Record<string, unknown>>

const choose = (exports: Exports, name: string | undefined): Result.Result<AnyExtraction, string> => {
  const usable = Object.keys(exports).filter((key) => toExtraction(exports[key]) !== undefined)
  const chosen = name ?? (usable.includes("default") ? "default" : usable.length === 1 ? usable[0]! : undefined)
  if (chosen === undefined) {
    return Result.fail(
      usable.length === 0
        ? "exports no Schema and no Extraction"
        : `exports several schemas. Name one of them with #: ${usable.join(", ")}`
    )
  }
  const available = usable.length === 0
    ? "It exports no Schema and no Extraction"
    : `Its schemas and extractions are ${usable.join(", ")}`
  if (!Object.hasOwn(exports, chosen)) return Result.fail(`has no export ${chosen}. ${available}`)
  const extraction = toExtraction(exports[chosen])
  return extraction === undefined
    ? Result.fail(`exports ${chosen}, which is neither a Schema nor an Extraction. ${available}`)
    : Result.succeed(extraction)
}

/** By their marks and not by their classes, because the module may have its own copies of the libraries. */
const toExtraction = (value: unknown): AnyExtraction | undefined =>
  // The types of a module's exports are unknown here.
  Extraction.isExtraction(value)
    ? value as unknown as AnyExtraction
    : Schema.isSchema(value)
    ? Extraction.make<unknown, never, string>({ schema: value as unknown as Schema.ConstraintDecoder<unknown> })
    : Extraction.isStandardSchema(value)
    ? Extraction.make<unknown, string>({ schema: value })
    : undefined
