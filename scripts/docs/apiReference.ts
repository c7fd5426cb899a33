/** The API reference, from the docstrings in the declarations of `dist`. */
import { type EntryPoint, readWhole } from "../api.ts"

interface Page {
  /** Without its extension: `api/Batch`. */
  readonly name: string
  readonly title: string
  readonly text: string
}

export interface Member {
  readonly name: string
  readonly sentence: string
  readonly hasExample: boolean
}

export interface Reference {
  readonly pages: ReadonlyArray<Page>
  /** Every export by its full name: `Batch.all`. */
  readonly members: ReadonlyArray<Member>
}

interface Docstring {
  readonly text: string
  readonly category: string
}

/** A docstring as Markdown, without its stars and tags. */
const toMarkdown = (comment: string): Docstring => {
  const lines = comment.replace(/^\*/, "").split("\n").map((line) => line.replace(/^\s*\* ?/, ""))
  const category = /@category (.+)/.exec(comment)?.[1] ?? ""
  const text = lines.filter((line) => !/^@(category|since|default)/.test(line.trim())).join("\n").trim()
  // The parts of a docstring begin with a word in bold.
  return { text: text.replace(/^\*\*Example\*\* \((.*)\)$/gm, "**Example:** $1"), category }
}

const sentenceOf = (text: string): string => text.split("\n\n")[0]!.replaceAll("\n", " ")

/** Braces and angle brackets would be read as Vue templates outside of code. */
const escaped = (markdown: string): string =>
  markdown.split(/(```[\s\S]*?```|`[^`]*`)/).map((part, i) =>
    i % 2 === 1 ? part : part.replaceAll("<", "&lt;").replaceAll("{{", "&#123;&#123;")
  ).join("")

const kinds: ReadonlyArray<readonly [RegExp, string]> = [
  [/^export (declare )?class/, "class"],
  [/^export (declare )?interface/, "interface"],
  [/^export (declare )?type/, "type"],
  [/^export (declare )?const \w+: (Layer|Effect|Stream|Schema|Sink)\b/, "value"],
  [/./, ""]
]

export const make = (entryPoints: ReadonlyArray<EntryPoint>): Reference => {
  const pages: Array<Page> = []
  const members: Array<Member> = []
  const lists: Array<string> = []
  for (const { file, name: entry } of entryPoints) {
    const rows: Array<string> = []
    for (const namespace of readWhole(file).namespaces) {
      const module = readWhole(namespace.file)
      const title = namespace.name
      const seen = new Set<string>()
      const parts: Array<string> = []
      for (const declaration of module.declarations) {
        for (const name of declaration.names) {
          const { category, text } = toMarkdown(declaration.comment ?? "")
          const isNew = !seen.has(name)
          seen.add(name)
          const sentence = sentenceOf(text)
          if (isNew || text !== "") {
            const known = members.findIndex((member) => member.name === `${title}.${name}`)
            const member = { name: `${title}.${name}`, sentence, hasExample: text.includes("```ts") }
            if (known === -1) members.push(member)
            else if (members[known]!.sentence === "") members[known] = member
          }
          const kind = kinds.find(([pattern]) => pattern.test(declaration.signature))![1]
          const heading = isNew ? `## ${name}\n\n` : ""
          const label = [kind, category].filter((word) => word !== "").join(" · ")
          parts.push(
            `${heading}${label === "" || !isNew ? "" : `_${label}_\n\n`}${text === "" ? "" : `${escaped(text)}\n\n`}` +
              `\`\`\`ts\n${declaration.signature}\n\`\`\`\n`
          )
        }
      }
      const intro = escaped(toMarkdown(namespace.comment ?? "").text)
      pages.push({
        name: `api/${title}`,
        title,
        text: `# ${title}\n\n${intro}\n\n\`\`\`ts\nimport { ${title} } from "${entry}"\n\`\`\`\n\n${parts.join("\n")}`
      })
      rows.push(`| [${title}](${title}.md) | ${intro.replaceAll("\n", " ")} |`)
    }
    lists.push(`## ${entry}\n\n| module | |\n| --- | --- |\n${rows.join("\n")}\n`)
  }
  pages.push({
    name: "api/index",
    title: "API",
    text:
      `# API\n\nGenerated from the docstrings. ${members.length} exports; \`import { … } from\` the name above each list.\n\n${
        lists.join("\n")
      }`
  })
  return { pages, members }
}
