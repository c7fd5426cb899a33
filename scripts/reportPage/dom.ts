/** Elements without markup: every string of a run becomes a text node, so nothing in it can be markup or a script. */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

const svgNames = new Set(["svg", "path", "line", "rect", "g", "text", "title", "polyline"])

export const h = (
  name: string,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Node | string | undefined>
): HTMLElement => {
  // The elements of a chart are used like any other here.
  const element = (svgNames.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name)) as HTMLElement
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : String(value))
  }
  for (const child of children) if (child !== undefined) element.append(child)
  return element
}

export const button = (label: string, onClick: () => void, attributes: Attributes = {}): HTMLElement => {
  const element = h("button", { type: "button", ...attributes }, label)
  element.addEventListener("click", onClick)
  return element
}

export const replace = (element: Element, ...children: ReadonlyArray<Node | string>): void =>
  element.replaceChildren(...children)

/** Control characters and marks that reorder text, as symbols that can be seen. */
export const visible = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/g, (c) => {
    const code = c.charCodeAt(0)
    return code < 0x20
      ? String.fromCharCode(0x2400 + code)
      : code === 0x7f
      ? "␡"
      : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`
  })

export const count = (n: number): string => n.toLocaleString("en-US")

export const money = (usd: number): string =>
  usd === 0
    ? "$0"
    : usd < 0.01
    ? `$${usd.toPrecision(2)}`
    : usd < 100
    ? `$${usd.toFixed(2)}`
    : `$${count(Math.round(usd))}`

export const duration = (ms: number): string =>
  ms < 1000
    ? `${Math.round(ms)} ms`
    : ms < 120_000
    ? `${(ms / 1000).toFixed(1)} s`
    : ms < 7_200_000
    ? `${(ms / 60_000).toFixed(1)} min`
    : `${(ms / 3_600_000).toFixed(1)} h`

export const percent = (share: number): string =>
  `${(share * 100).toFixed(share > 0 && share < 0.1 ? 2 : 1).replace(/\.?0+$/, "")} %`
