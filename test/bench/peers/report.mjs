/** The figures as a Markdown report, as the table in `docs/performance.md`, and as a chart. */

const base = "ours-extract"

const table = (header, rows) =>
  [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

const times = (value, of) => value === undefined || of === undefined ? "–" : `${(value / of).toFixed(2)}×`
const whole = (value) => value === undefined ? "–" : Math.round(value).toLocaleString("en")
const kilobytes = (bytes) => bytes === undefined ? "–" : whole(bytes / 1000)

const ranked = ({ clients, cpu }) =>
  clients.filter((client) => cpu?.[client]).toSorted((one, other) => cpu[one].cpuMicros - cpu[other].cpuMicros)

const cpuTable = (report) => {
  const { all, bundles, cpu, imports } = report
  return table(
    ["client", "CPU, ours = 1", "CPU µs (min – max)", "a second", "peak MB", "import ms", "bundle kB gzip"],
    ranked(report).map((client) => {
      const { cpuMax, cpuMicros, cpuMin, peakMegabytes, perSecond } = cpu[client]
      return [
        all[client],
        times(cpuMicros, cpu[base]?.cpuMicros),
        `${whole(cpuMicros)} (${whole(cpuMin)} – ${whole(cpuMax)})`,
        whole(perSecond),
        whole(peakMegabytes),
        whole(imports?.[client]?.millis),
        kilobytes(bundles?.[client]?.gzipped)
      ]
    })
  )
}

const flowTable = ({ all, clients }, { concurrency, latency, results }) => {
  const ideal = latency === 0 ? undefined : concurrency * 1000 / latency
  const rows = clients.filter((client) => results[client])
    .toSorted((one, other) => results[other].perSecond - results[one].perSecond)
  return [
    `### ${latency} ms, ${concurrency.toLocaleString("en")} in flight` +
    (ideal === undefined ? "" : `: ideally ${whole(ideal)} a second`),
    table(
      [
        "client",
        ideal === undefined ? "ours = 1" : "of the ideal",
        "of undici",
        "a second",
        "CPU µs",
        "p50 ms",
        "p99 ms",
        "peak MB"
      ],
      rows.map((client) => {
        const { cpuMicros, p50, p99, peakMegabytes, perSecond } = results[client]
        return [
          all[client],
          ideal === undefined ? times(perSecond, results[base]?.perSecond) : `${Math.round(perSecond / ideal * 100)} %`,
          times(perSecond, results.undici?.perSecond),
          whole(perSecond),
          whole(cpuMicros),
          whole(p50),
          whole(p99),
          whole(peakMegabytes)
        ]
      })
    )
  ].join("\n\n")
}

const pairs = ({ cpu }) => {
  // Of the two in each round, and the median of those: what disturbs one turn mostly disturbs the next.
  const of = (client, other) => {
    const [own, theirs] = [cpu?.[client]?.cpuRuns, cpu?.[other]?.cpuRuns]
    if (own === undefined || theirs === undefined) return "–"
    const ratios = own.map((micros, round) => micros / theirs[round]).toSorted((one, other) => one - other)
    return times(ratios[Math.floor(ratios.length / 2)], 1)
  }
  return [
    ["`Extraction.extract` : `openai` on its own transport", of(base, "openai")],
    ["`Extraction.extract` : undici alone", of(base, "undici")]
  ]
}

export const markdown = (report) => {
  const { bundles, failures, flow, imports, machine, rounds, simulator } = report
  const parts = [
    "# What an extraction costs",
    `Written by \`npm run bench\`: ${machine}; ${rounds} rounds in turns, medians. Two fields out of a line of text, ` +
    `in \`json_schema\` mode where a client has it, over HTTP to ${
      simulator ? "`OpenAiSimulator`" : "a minimal server"
    } in another process. CPU is the client's own, all its threads, for one extraction.`
  ]
  if (report.cpu !== undefined) {
    parts.push(
      "## CPU, 32 in flight, no latency",
      table(["CPU of", "ratio"], pairs(report)),
      cpuTable(report)
    )
  }
  if (flow.length > 0) parts.push("## Throughput", ...flow.map((one) => flowTable(report, one)))
  if (imports !== undefined) {
    const of = (entry) => {
      const [own, needed] = [imports[`\`${entry}\``], imports[`the parts of \`${entry}\``]]
      return [
        `\`${entry}\``,
        times(own.millis, needed.millis),
        whole(own.millis),
        whole(needed.millis),
        times(own.cpuMillis, needed.cpuMillis)
      ]
    }
    parts.push(
      "## Importing",
      table(
        [
          "entry point",
          "to its parts",
          "ms",
          "ms of the parts of `effect` and `openai` it imports",
          "CPU to its parts"
        ],
        [of("effect-instructor"), of("effect-instructor/openai")]
      )
    )
  }
  if (bundles !== undefined) {
    parts.push(
      "## Bundles",
      table(
        ["program", "kB minified", "kB gzip"],
        Object.entries(bundles).map(([name, { gzipped, minified }]) => [
          report.all[name] ?? name,
          kilobytes(minified),
          kilobytes(gzipped)
        ])
      )
    )
  }
  for (const [client, reason] of Object.entries(failures)) {
    parts.push(`${report.all[client]} was left out: ${reason.replaceAll("|", "\\|")}`)
  }
  return `${parts.join("\n\n")}\n`
}

/** The short form. */
export const pageTable = (report) => {
  const { all, cpu, flow } = report
  const busy = flow.find(({ concurrency, latency }) => latency === 500 && concurrency === 2000)?.results
  const cells = (client) => [all[client], times(cpu[client].cpuMicros, cpu[base]?.cpuMicros)]
  const header = ["client", "CPU of one extraction"]
  return busy === undefined
    ? table(header, ranked(report).map(cells))
    : table(
      [...header, "a second, 2,000 in flight at 500 ms", "peak MB"],
      ranked(report).map((client) => [
        ...cells(client),
        whole(busy[client]?.perSecond),
        whole(busy[client]?.peakMegabytes)
      ])
    )
}

const escape = (text) => text.replaceAll("`", "").replaceAll("&", "&amp;").replaceAll("<", "&lt;")

export const chart = (report) => {
  const { all, cpu, machine } = report
  const rows = ranked(report)
  const [left, width, height] = [270, 430, 26]
  const most = Math.max(...rows.map((client) => cpu[client].cpuMicros))
  const bars = rows.map((client, i) => {
    const length = cpu[client].cpuMicros / most * width
    const y = 52 + i * height
    return `<text x="${left - 10}" y="${y + 13}" text-anchor="end">${escape(all[client])}</text>` +
      `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="18" rx="2" class="${
        client.startsWith("ours") ? "ours" : "other"
      }"/>` +
      `<text x="${left + length + 8}" y="${y + 13}">${whole(cpu[client].cpuMicros)} µs, ${
        times(cpu[client].cpuMicros, cpu[base]?.cpuMicros)
      }</text>`
  })
  const total = 52 + rows.length * height + 30
  return `<svg xmlns="http://www.w3.org/2000/svg" width="820" height="${total}" viewBox="0 0 820 ${total}" role="img">
<title>CPU of one extraction</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 15px }
.ours { fill: #1a7f5a }
.other { fill: #9aa4af }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
</style>
<text x="${left}" y="28" class="title">CPU of one extraction: less is better</text>
${bars.join("\n")}
<text x="${left}" y="${total - 10}">${escape(machine)}</text>
</svg>
`
}
