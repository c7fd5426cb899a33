/**
 * Writes `etc/api/*.api.md`, the public API as reviewers read it: every export of every entry point with its signature,
 * module by module, in the order of the source; and the `exports` of the package. Without `--update` it fails where one
 * of them is out of date.
 *
 * It reads the declarations in `dist`, so build first. `@microsoft/api-extractor` would do, but it sorts the members of
 * all modules into one list and numbers equal names (`Options_3`), which hides what belongs together.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { parseSync, Visitor } from "oxc-parser"

type Program = ReturnType<typeof parseSync>["program"]
type Statement = Program["body"][number]
type ModuleExportName = Extract<
  Statement,
  { readonly type: "ExportNamedDeclaration" }
>["specifiers"][number]["exported"]

interface Declaration {
  /** The names it exports; none, where only other declarations refer to it. */
  readonly names: ReadonlyArray<string>
  readonly signature: string
  readonly documented: boolean
  /** The docstring, with its stars. */
  readonly comment: string | undefined
}

/** A name that a file exports. */
interface Reference {
  readonly file: string
  readonly name: string
}

interface Module {
  readonly declarations: ReadonlyArray<Declaration>
  /** Modules exported under a name. */
  readonly namespaces: ReadonlyArray<{
    readonly name: string
    readonly file: string
    readonly documented: boolean
    readonly comment: string | undefined
  }>
  /** Modules whose exports are exported as they are. */
  readonly whole: ReadonlyArray<string>
  /** What it exports, by where it is declared, and what its signatures refer to. */
  readonly exports: ReadonlyArray<Reference>
  readonly refersTo: ReadonlyArray<Reference>
}

export interface EntryPoint {
  /** As in the package's `exports`. */
  readonly name: string
  /** Its declarations. */
  readonly file: string
}

export interface Report {
  readonly entryPoint: EntryPoint
  readonly modules: number
  readonly members: number
  readonly undocumented: ReadonlyArray<string>
  readonly exports: ReadonlyArray<Reference>
  readonly refersTo: ReadonlyArray<Reference>
  readonly text: string
}

const statementNames = (statement: Statement): ReadonlyArray<{ readonly start: number }> =>
  statement.type === "ExportNamedDeclaration" ? statement.specifiers : []

const namesOf = (statement: Statement): ReadonlyArray<string> => {
  if (statement.type !== "ExportNamedDeclaration") return []
  const { declaration, specifiers } = statement
  if (declaration === null) {
    return specifiers.map(({ exported }) => nameOf(exported))
  }
  if (declaration.type === "VariableDeclaration") {
    return declaration.declarations.map(({ id }) => id.type === "Identifier" ? id.name : "")
  }
  return "id" in declaration && declaration.id?.type === "Identifier" ? [declaration.id.name] : []
}

const read = (file: string): Module => {
  const text = fs.readFileSync(file, "utf8")
  const { comments, errors, program } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  const resolve = (specifier: string): string => path.join(path.dirname(file), specifier.replace(/\.(ts|js)$/, ".d.ts"))

  /** A docstring that begins with a sentence and ends right before a node. */
  const commentOf = ({ start }: { readonly start: number }): string | undefined => {
    const comment = comments.findLast(({ end }) => end <= start && text.slice(end, start).trim() === "")
    return comment?.type === "Block" && /^\*[\s*]*[^\s*@]/.test(comment.value) ? comment.value : undefined
  }
  const documented = (node: { readonly start: number }): boolean => commentOf(node) !== undefined

  /** The names of an `export { … }` may each have a docstring of their own. */
  const isDocumented = (statement: Statement): boolean =>
    documented(statement) ||
    statement.type === "ExportNamedDeclaration" && statement.specifiers.length > 0 &&
      statement.specifiers.every(documented)

  const signature = ({ end, start }: Statement): string => {
    let [out, at] = ["", start]
    for (const comment of comments.filter((inner) => inner.start >= start && inner.end <= end)) {
      out += text.slice(at, comment.start)
      at = comment.end
    }
    return (out + text.slice(at, end)).split("\n").filter((line) => line.trim() !== "").join("\n")
  }

  const namespaces: Array<Module["namespaces"][number]> = []
  const whole: Array<string> = []
  const declarations: Array<Declaration> = []
  const exports: Array<Reference> = []
  for (const statement of program.body) {
    if (statement.type === "ExportAllDeclaration") {
      const target = resolve(statement.source.value)
      if (statement.exported === null) whole.push(target)
      else if (statement.exported.type === "Identifier") {
        namespaces.push({
          name: statement.exported.name,
          file: target,
          documented: documented(statement),
          comment: commentOf(statement)
        })
      }
    } else if (statement.type === "ExportNamedDeclaration" && statement.source !== null) {
      const other = readWhole(resolve(statement.source.value))
      for (const specifier of statement.specifiers) {
        const [to, from] = [nameOf(specifier.exported), nameOf(specifier.local)]
        declarations.push(...namedDeclarations(other, from, to, commentOf(specifier)))
        exports.push({ file, name: to }, ...other.exports.filter(({ name }) => name === from))
      }
    } else if (statement.type !== "ImportDeclaration" && signature(statement) !== "export {};") {
      const names = namesOf(statement)
      declarations.push({
        names,
        signature: signature(statement),
        documented: isDocumented(statement),
        comment: commentOf(statement) ??
          statementNames(statement).map(commentOf).find((comment) => comment !== undefined)
      })
      exports.push(...names.map((name) => ({ file, name })))
    }
  }
  return { declarations, namespaces, whole, exports, refersTo: referencesOf(program, resolve) }
}

const nameOf = (name: ModuleExportName): string => name.type === "Literal" ? name.value : name.name

/** The declarations of one name of another module, under the name that it is exported as. */
const namedDeclarations = (
  { declarations }: Module,
  from: string,
  to: string,
  commentHere: string | undefined
): ReadonlyArray<Declaration> =>
  declarations.filter(({ names }) => names.includes(from)).map(({ comment, documented, signature }) => ({
    names: [to],
    signature: from === to ? signature : signature.replace(new RegExp(`\\b${from}\\b`), to),
    documented: documented || commentHere !== undefined,
    comment: commentHere ?? comment
  }))

/** The names of other files that the signatures of a file refer to. */
const referencesOf = (program: Program, resolve: (specifier: string) => string): ReadonlyArray<Reference> => {
  const references: Array<Reference> = []
  const files = new Map<string, string>()
  new Visitor({
    ImportDeclaration: ({ source, specifiers }) => {
      if (!source.value.startsWith(".")) return
      const file = resolve(source.value)
      for (const specifier of specifiers) {
        if (specifier.type === "ImportNamespaceSpecifier") files.set(specifier.local.name, file)
        else if (specifier.type === "ImportSpecifier") references.push({ file, name: nameOf(specifier.imported) })
      }
    },
    TSQualifiedName: ({ left, right }) => {
      const file = left.type === "Identifier" ? files.get(left.name) : undefined
      if (file !== undefined) references.push({ file, name: right.name })
    },
    TSImportType: ({ qualifier, source }) => {
      if (!source.value.startsWith(".") || qualifier?.type !== "Identifier") return
      references.push({ file: resolve(source.value), name: qualifier.name })
    }
  }).visit(program)
  return references
}

/** A module together with those it exports whole. */
export const readWhole = (file: string): Module => {
  const self = read(file)
  const all = [self, ...self.whole.map(readWhole)]
  return {
    declarations: all.flatMap(({ declarations }) => declarations),
    namespaces: all.flatMap(({ namespaces }) => namespaces),
    whole: [],
    exports: all.flatMap(({ exports }) => exports),
    refersTo: all.flatMap(({ refersTo }) => refersTo)
  }
}

/** A constant and a type may share a name; one docstring serves both. */
const undocumentedOf = (declarations: ReadonlyArray<Declaration>): ReadonlyArray<string> => {
  const documented = new Set(declarations.filter((it) => it.documented).flatMap(({ names }) => names))
  return Array.from(new Set(declarations.flatMap(({ names }) => names))).filter((name) => !documented.has(name))
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

/** The report of one entry point. */
export const report = (entryPoint: EntryPoint): Report => {
  const undocumented: Array<string> = []
  const exports: Array<Reference> = []
  const refersTo: Array<Reference> = []
  let members = 0
  const section = (heading: string, module: Module): string => {
    const { declarations, namespaces } = module
    exports.push(...module.exports)
    refersTo.push(...module.refersTo)
    members += new Set(declarations.flatMap(({ names }) => names)).size
    const prefix = heading === "" ? "" : `${heading}.`
    undocumented.push(...undocumentedOf(declarations).map((name) => `${prefix}${name}`))
    undocumented.push(...namespaces.filter((it) => !it.documented).map(({ name }) => `${prefix}${name}`))
    const title = heading === "" ? "" : `## ${heading}\n\n`
    const own = declarations.length === 0
      ? ""
      : `${title}\`\`\`ts\n${declarations.map((it) => it.signature).join("\n\n")}\n\`\`\`\n`
    return [own, ...namespaces.map(({ file, name }) => section(`${prefix}${name}`, readWhole(file)))]
      .filter((part) => part !== "").join("\n")
  }
  const root = readWhole(entryPoint.file)
  const body = section("", root)
  const modules = root.namespaces.length
  return {
    entryPoint,
    modules,
    members,
    undocumented,
    exports,
    refersTo,
    text: `# ${entryPoint.name}\n\nGenerated by \`npm run api:update\`. ${count(modules, "module")}, ${
      count(members, "member")
    }.\n\n${body}`
  }
}

interface Target {
  readonly "effect-instructor/source": string
  readonly types: string
  readonly default: string
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string | Target>>
}

const readManifest = (root: string): Manifest => JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))

const isIndex = (target: string | Target): target is Target =>
  typeof target === "object" && target.types.endsWith("/index.d.ts")

/** The entry points of a package that has been built. */
export const entryPoints = (root: string): ReadonlyArray<EntryPoint> => {
  const { exports, name } = readManifest(root)
  return Object.entries(exports).flatMap(([entry, target]) =>
    isIndex(target) ? [{ name: path.posix.join(name, entry), file: path.join(root, target.types) }] : []
  )
}

/**
 * The `exports` of the package: the entry points as they are, and one for each module that they export. A module of its
 * own lets the declarations of other packages name its types, and bundlers leave out the modules beside it.
 */
const exportsOf = (root: string): Manifest["exports"] => {
  const { exports } = readManifest(root)
  const kept = Object.entries(exports).filter(([, target]) => typeof target === "string" || isIndex(target))
  const modules = kept.flatMap(([entry, target]) =>
    typeof target === "string"
      ? []
      : readWhole(path.join(root, target.types)).namespaces.map(({ file, name }): [string, Target] => {
        const at = path.relative(path.join(root, "dist"), file).split(path.sep).join("/").replace(/\.d\.ts$/, "")
        return [`./${path.posix.join(entry, name)}`, {
          "effect-instructor/source": `./src/${at}.ts`,
          types: `./dist/${at}.d.ts`,
          default: `./dist/${at}.js`
        }]
      })
  ).toSorted(([a], [b]) => a < b ? -1 : 1)
  return Object.fromEntries([...kept, ...modules])
}

const main = (update: boolean): boolean => {
  const root = path.join(import.meta.dirname, "..")
  const folder = path.join(root, "etc/api")
  fs.mkdirSync(folder, { recursive: true })
  const reports = entryPoints(root).map(report)
  const files = new Map(reports.map((it) => [
    `${it.entryPoint.name.split("/").slice(1).join("-") || "root"}.api.md`,
    it
  ]))
  const problems: Array<string> = []
  const exports = exportsOf(root)
  const manifest = readManifest(root)
  if (update) {
    fs.writeFileSync(path.join(root, "package.json"), `${JSON.stringify({ ...manifest, exports }, undefined, 2)}\n`)
  } else if (JSON.stringify(exports) !== JSON.stringify(manifest.exports)) {
    problems.push("The exports in package.json are out of date: run npm run api:update, and commit what it changes")
  }
  for (const file of fs.readdirSync(folder).filter((name) => !files.has(name))) {
    if (update) fs.rmSync(path.join(folder, file))
    else problems.push(`etc/api/${file} belongs to no entry point: run npm run api:update`)
  }
  const keyOf = ({ file, name }: Reference): string => `${name} of ${path.relative(root, file)}`
  const known = new Set(reports.flatMap((it) => it.exports.map(keyOf)))
  for (const [file, { entryPoint, members, modules, refersTo, text, undocumented }] of files) {
    process.stdout.write(`${entryPoint.name}: ${count(modules, "module")}, ${count(members, "member")}\n`)
    problems.push(...undocumented.map((name) => `${entryPoint.name}: ${name} has no docstring`))
    for (const other of new Set(refersTo.map(keyOf))) {
      if (!known.has(other)) problems.push(`${entryPoint.name}: a signature refers to ${other}, which is not public`)
    }
    const at = path.join(folder, file)
    if (update) fs.writeFileSync(at, text)
    else if (!fs.existsSync(at) || fs.readFileSync(at, "utf8") !== text) {
      problems.push(`etc/api/${file} is out of date: run npm run api:update, and commit what it changes`)
    }
  }
  for (const problem of problems) process.stdout.write(`${problem}\n`)
  return problems.length === 0
}

if (process.argv[1] === import.meta.filename && !main(process.argv.includes("--update"))) process.exitCode = 1
