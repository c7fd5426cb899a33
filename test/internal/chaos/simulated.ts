/**
 * `npm run chaos -- [--seeds 2000] [--from 1] [--items 40]`: runs of the command in one process, on a disk in memory and
 * in virtual time, so that a seed takes some milliseconds. Prints the violations and a summary as JSON; `--from SEED
 * --seeds 1` replays one. `npm run chaos:processes` kills real processes.
 */
// One thing after another is what these loops are for.
/* oxlint-disable eslint/no-await-in-loop */
import { parseArgs } from "node:util"
import * as Seed from "./seed.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    items: { type: "string", default: "40" }
  }
})
const [first, seeds, items] = [Number(values.from), Number(values.seeds), Number(values.items)]

const started = Date.now()
const counts = Seed.noCounts()
let failed = 0
for (let seed = first; seed < first + seeds; seed++) {
  const outcome = await Seed.run(seed, items)
  for (const [name, count] of Object.entries(outcome.counts)) counts[name as keyof Seed.Counts] += count
  if (outcome.violations.length === 0) continue
  failed++
  console.log(`seed ${seed}: ${outcome.violations.slice(0, 5).join("\n  ")}\n  ${outcome.trace.join("\n  ")}`)
}
console.log(
  JSON.stringify({ seeds, from: first, items, violations: failed, ...counts, seconds: (Date.now() - started) / 1000 })
)
process.exitCode = failed === 0 ? 0 : 1
