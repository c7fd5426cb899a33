/** `llms.txt`, the list of the pages, and `llms-full.txt`, their text, for language models. */

export interface Source {
  readonly title: string
  /** From the root of the site. */
  readonly link: string
  readonly text: string
}

const summaryOf = (text: string): string =>
  text.replace(/^---[\s\S]*?---\n/, "").split("\n\n").map((part) => part.trim()).find((part) => /^[A-Z`]/.test(part))
    ?.replaceAll("\n", " ").replace(/^(.{0,200}?[.:])(?: .*)?$/, "$1") ?? ""

const intro =
  "# effect-instructor\n\n> Structured extraction from language models for Effect programs, made for batches.\n"

export const list = (pages: ReadonlyArray<Source>): string =>
  `${intro}\n${pages.map(({ link, text, title }) => `- [${title}](${link}): ${summaryOf(text)}`).join("\n")}\n`

export const full = (pages: ReadonlyArray<Source>): string =>
  `${intro}\n${pages.map(({ link, text }) => `<!-- ${link} -->\n\n${text.trim()}\n`).join("\n")}`
