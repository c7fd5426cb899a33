/**
 * Builds the site: the pages in `docs` with those that are generated, the API reference from the docstrings (`npm run
 * build` first), the options of the command, and `llms.txt`. `npm run docs` writes it to `docs-build/.vitepress/dist`.
 * With `--pages` it only prepares the pages.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { sections } from "../docs/.vitepress/sections.ts"
import { entryPoints } from "./api.ts"
import * as ApiReference from "./docs/apiReference.ts"
import * as CliReference from "./docs/cliReference.ts"
import * as Llms from "./docs/llms.ts"

const root = path.join(import.meta.dirname, "..")
const docs = path.join(root, "docs")

export interface Site {
  /** The text of each page by its path. */
  readonly pages: ReadonlyMap<string, string>
  readonly members: ReadonlyArray<ApiReference.Member>
}

/** Links to files that are not part of the site lead to the repository. */
const repository = "https://www.npmjs.com/package/effect-instructor?activeTab=code"

const outward = (text: string): string =>
  text.replace(/\]\((?:\.\.\/|(?:\.\/)?(?:src|examples|test|scripts|etc)\/)[^)]*\)/g, `](${repository})`)

/** Every page of the site. */
export const prepare = (options: { readonly withCommand: boolean }): Site => {
  const pages = new Map<string, string>()
  for (const file of fs.readdirSync(docs, { recursive: true, encoding: "utf8" }).toSorted()) {
    if (file.endsWith(".md")) {
      pages.set(file.split(path.sep).join("/"), outward(fs.readFileSync(path.join(docs, file), "utf8")))
    }
  }
  const agents = fs.readFileSync(path.join(root, "AGENTS.md"), "utf8")
  pages.set("agents.md", agents.replaceAll("](ai-docs)", "](ai-docs/extraction.md)"))
  for (const file of fs.readdirSync(path.join(root, "ai-docs")).filter((name) => name !== "SKILL.md")) {
    pages.set(`ai-docs/${file}`, fs.readFileSync(path.join(root, "ai-docs", file), "utf8"))
  }
  const { members, pages: reference } = ApiReference.make(entryPoints(root))
  for (const { name, text } of reference) pages.set(`${name}.md`, text)
  pages.set("cli-reference.md", options.withCommand ? CliReference.make() : "# Options of the command\n")
  return { pages, members }
}

const sources = ({ pages }: Site): ReadonlyArray<Llms.Source> =>
  sections.flatMap(({ items }) =>
    items.flatMap(({ link, text: title }) => {
      const file = link.endsWith("/") ? `${link.slice(1)}index.md` : `${link.slice(1)}.md`
      const text = pages.get(file)
      return text === undefined ? [] : [{ title, link: `${link.replace(/\/$/, "/index")}.html`, text }]
    })
  )

/** The headings of a page as VitePress makes anchors of them. */
const anchorsOf = (page: string): ReadonlySet<string> =>
  new Set(
    Array.from(page.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.*)$/gm), ([, heading]) =>
      heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase().replace(/[^\w -]/g, "").trim().replace(/ +/g, "-"))
  )

/** Links between pages that lead nowhere. */
export const brokenLinks = ({ pages }: Site): ReadonlyArray<string> => {
  const broken: Array<string> = []
  for (const [file, text] of pages) {
    const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "")
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const [linked, anchor] = target!.split("#") as [string, string | undefined]
      const name = linked === ""
        ? file
        : path.posix.join(path.posix.dirname(file), linked.endsWith("/") ? `${linked}index.md` : linked)
      const page = pages.get(name)
      if (page === undefined) broken.push(`${file}: ${target}`)
      else if (anchor !== undefined && !anchorsOf(page).has(anchor)) broken.push(`${file}: ${target}`)
    }
  }
  const missing = sections.flatMap(({ items }) => items).filter(({ link }) =>
    !pages.has(link.endsWith("/") ? `${link.slice(1)}index.md` : `${link.slice(1)}.md`)
  )
  return [...broken, ...missing.map(({ link }) => `the sidebar: ${link}`)]
}

const main = (): void => {
  const target = path.join(root, "docs-build")
  fs.rmSync(target, { recursive: true, force: true })
  const site = prepare({ withCommand: true })
  const broken = brokenLinks(site)
  if (broken.length > 0) throw new Error(`Links that lead nowhere:\n${broken.join("\n")}`)
  for (const [file, text] of site.pages) {
    fs.mkdirSync(path.dirname(path.join(target, file)), { recursive: true })
    fs.writeFileSync(path.join(target, file), text)
  }
  fs.cpSync(path.join(docs, ".vitepress"), path.join(target, ".vitepress"), { recursive: true })
  fs.mkdirSync(path.join(target, "public"), { recursive: true })
  fs.writeFileSync(path.join(target, "public/llms.txt"), Llms.list(sources(site)))
  fs.writeFileSync(path.join(target, "public/llms-full.txt"), Llms.full(sources(site)))
  process.stdout.write(`${site.pages.size} pages, ${site.members.length} exports\n`)
  if (!process.argv.includes("--pages")) {
    execFileSync(process.execPath, [path.join(root, "node_modules/vitepress/bin/vitepress.js"), "build", target], {
      stdio: "inherit"
    })
  }
}

if (process.argv[1] === import.meta.filename) main()
