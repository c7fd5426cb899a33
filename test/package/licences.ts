/** The licences of everything that is installed with the package. */
import * as fs from "node:fs"
import * as path from "node:path"

const accepted: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "Unlicense"
])

interface Locked {
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** The packages whose licence asks for more than attribution, or is unknown. */
export const licenceProblems = (root: string): ReadonlyArray<string> => {
  const { packages } = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>
  }
  /** Where a package finds another: beside itself first, then further up. */
  const locate = (from: string, name: string): string | undefined => {
    for (let at = from;; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
      const candidate = `${at === "" ? "" : `${at}/`}node_modules/${name}`
      if (candidate in packages) return candidate
      if (at === "") return undefined
    }
  }
  const problems: Array<string> = []
  const found = new Set([""])
  for (const at of found) {
    const { dependencies, license, optionalDependencies, peerDependencies } = packages[at]!
    if (at !== "" && !accepted.has(license ?? "")) problems.push(`${at}: licence ${license ?? "unknown"}`)
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const next = locate(at, name)
      if (next !== undefined) found.add(next)
    }
  }
  return problems
}
