/** `effect-instructor doctor`: whether everything that a run needs is there. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import Process from "node:process"
import { pathToFileURL } from "node:url"
import * as Extraction from "../../extraction/Extraction.ts"
import { Llm } from "../../llm/Llm.ts"
import { exitCode, silently } from "../commandFailure.ts"
import * as Flags from "../options/flags.ts"
import * as Provider from "../options/provider.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as Format from "../progress/format.ts"

const flags = {
  baseUrl: Flags.baseUrl,
  model: Flags.extraction.model,
  mode: Flags.extraction.mode,
  request: Flag.Boolean("request").pipe(
    Flag.withDescription("Send a test request of about 100 tokens (the default)"),
    Flag.withDefault(true)
  )
}

interface Finding {
  readonly isFine: boolean
  readonly text: string
  /** What to do about it. */
  readonly advice?: string | undefined
}

const fine = (text: string): Finding => ({ isFine: true, text })
const problem = (text: string, advice: string): Finding => ({ isFine: false, text, advice })

export const doctor = Command.make("doctor", flags, (options) =>
  Effect.gen(function*() {
    let problems = 0
    const show = ({ advice, isFine, text }: Finding) => {
      if (!isFine) problems++
      return StandardOutput.write(
        `${isFine ? "ok     " : "problem"}  ${text}\n${advice === undefined ? "" : `         ${advice}\n`}`
      )
    }
    yield* show(ofNode(Process.versions.node))
    for (const peer of peers) yield* show(ofPeer(peer))
    const { findings, isUsable } = yield* ofConnection(options.baseUrl)
    for (const finding of findings) yield* show(finding)
    if (isUsable && options.request) yield* show(yield* testRequest(options))
    if (problems > 0) return yield* silently(exitCode.usage)
  })).pipe(
    Command.withDescription(
      "Check Node, the installed packages, the key, the server and the model, with a test request"
    ),
    Command.withExamples([{
      command: "effect-instructor doctor --base-url http://127.0.0.1:11434/v1 --model llama3.2"
    }])
  )

const leastNode = [22, 19] as const

const ofNode = (version: string): Finding => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > leastNode[0] || major === leastNode[0] && minor >= leastNode[1]
    ? fine(`Node ${version}`)
    : problem(`Node ${version}`, `Use Node ${leastNode.join(".")} or newer`)
}

interface Peer {
  readonly name: string
  readonly range: RegExp
  readonly wanted: string
}

const peers: ReadonlyArray<Peer> = [
  { name: "effect", range: /^4\.1\./, wanted: "~4.1.0" },
  { name: "@effect/platform-node", range: /^4\.1\./, wanted: "~4.1.0" }
]

/** The copy that a schema module in the current folder would import. */
const ofPeer = ({ name, range, wanted }: Peer): Finding => {
  const here = createRequire(pathToFileURL(`${Process.cwd()}/index.js`))
  const own = createRequire(import.meta.url)
  const [inProject, inCommand] = [here, own].map((require) =>
    Result.getOrUndefined(Result.try(() => String(require(`${name}/package.json`).version)))
  )
  const version = inProject ?? inCommand
  if (version === undefined) return problem(`${name} is not installed`, `npm install ${name}@${wanted}`)
  if (!range.test(version)) return problem(`${name} ${version}`, `npm install ${name}@${wanted}`)
  return inProject !== undefined && inCommand !== undefined && inProject !== inCommand
    ? problem(
      `${name} ${inProject} in this folder, and ${inCommand} in the command`,
      "Install effect-instructor in this project, and run the command there"
    )
    : fine(`${name} ${version}`)
}

const setting = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((value) => value.trim() !== "")),
    Config.map(Option.getOrUndefined)
  )

const ofConnection = (flag: string | undefined) =>
  Effect.gen(function*() {
    const hasKey = (yield* setting("OPENAI_API_KEY")) !== undefined
    const server = flag ?? (yield* setting("OPENAI_BASE_URL"))
    const findings = server === undefined && !hasKey
      ? [problem("No key and no server", "Set OPENAI_API_KEY or, for a server of your own, OPENAI_BASE_URL")]
      : [
        fine(hasKey ? "OPENAI_API_KEY is set" : "OPENAI_API_KEY is not set, and the server may not need it"),
        fine(`Server ${server === undefined ? "of OpenAI" : withoutSecrets(server)}`)
      ]
    return { findings, isUsable: findings.every(({ isFine }) => isFine) }
  }).pipe(
    Effect.catchTag("ConfigError", ({ message }) =>
      Effect.succeed({ findings: [problem("The environment cannot be read", message)], isUsable: false }))
  )

/** A URL without its password. */
const withoutSecrets = (url: string): string => {
  const parsed = Result.try(() => new URL(url))
  return Result.isSuccess(parsed)
    ? `${parsed.success.protocol}//${parsed.success.host}${parsed.success.pathname}`
    : "(not a URL)"
}

const testSchema = Schema.Struct({ city: Schema.String, population: Schema.Int })

const testRequest = (
  { baseUrl, mode, model }: { readonly baseUrl: string | undefined } & Extraction.Overrides
): Effect.Effect<Finding> =>
  Effect.gen(function*() {
    const extraction = Extraction.make({
      schema: testSchema,
      name: "City",
      maxAttempts: 1,
      model,
      mode,
      timeout: "60 seconds"
    })
    const exit = yield* Effect.gen(function*() {
      const llm = yield* Llm
      const asked = model ?? llm.model
      const [elapsed, result] = yield* Effect.timed(
        Effect.result(Extraction.extractDetailed(extraction, "Lyon has 520774 inhabitants."))
      )
      if (Result.isFailure(result)) {
        return problem(`A test request to ${asked} failed`, result.failure.message.replaceAll("\n", "\n         "))
      }
      const { inputTokens, outputTokens } = result.success.usage
      return fine(
        `${asked} answered in ${Format.duration(Duration.fromInputUnsafe(elapsed))} with ${
          Format.count(inputTokens)
        } tokens in and ${Format.count(outputTokens)} out`
      )
    }).pipe(
      // @effect-diagnostics-next-line strictEffectProvide:off
      Effect.provide(Layer.fresh(Provider.layer({ baseUrl, sends: true }))),
      Effect.exit
    )
    return Exit.isSuccess(exit)
      ? exit.value
      : problem(
        "A test request cannot be sent",
        String(Option.getOrUndefined(Exit.findErrorOption(exit))?.message ?? exit.cause)
      )
  })
