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
import * as Providers from "../../providers/Provider.ts"
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
    const findings = yield* ofConnection(options)
    for (const finding of findings) yield* show(finding)
    if (findings.every(({ isFine }) => isFine) && options.request) yield* show(yield* testRequest(options))
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

interface Server {
  readonly baseUrl: string | undefined
  readonly model: string | undefined
}

/** The key and the server of the provider that the model names. */
const ofConnection = (options: Server): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function*() {
    const { apiKeyEnv, baseUrl, prefix } = yield* Provider.describe(options)
    const key = yield* Providers.keyIn({ apiKeyEnv })
    const names = apiKeyEnv.join(" or ")
    const serverEnv = `${prefix.toUpperCase()}_BASE_URL`
    const server = options.baseUrl ?? (yield* setting(serverEnv))
    const isNeeded = apiKeyEnv.length > 0 && server === undefined
    if (isNeeded && Option.isNone(key)) {
      return [problem("No key and no server", `Set ${names} or, for a server of your own, ${serverEnv}`)]
    }
    return [
      ...(apiKeyEnv.length === 0 ? [] : [
        fine(Option.isSome(key) ? `${key.value} is set` : `${names} is not set, and the server may not need it`)
      ]),
      fine(`Server ${withoutSecrets(server ?? baseUrl)}`)
    ]
  }).pipe(
    Effect.catchTags({
      ConfigError: ({ message }) => Effect.succeed([problem("The environment cannot be read", message)]),
      CommandFailure: ({ message }) =>
        Effect.succeed([problem(message, "Name a provider and its model, such as anthropic/claude-haiku-5-5")])
    })
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
  { baseUrl, mode, model }: Server & Extraction.Overrides
): Effect.Effect<Finding> =>
  Effect.gen(function*() {
    const extraction = Extraction.make({
      schema: testSchema,
      name: "City",
      maxAttempts: 1,
      model: Provider.modelOf(model),
      mode,
      timeout: "60 seconds"
    })
    const exit = yield* Effect.gen(function*() {
      const llm = yield* Llm
      const asked = Provider.modelOf(model) ?? llm.model
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
      Effect.provide(Layer.fresh(Provider.layer({ baseUrl, model, sends: true }))),
      Effect.exit
    )
    return Exit.isSuccess(exit)
      ? exit.value
      : problem(
        "A test request cannot be sent",
        String(Option.getOrUndefined(Exit.findErrorOption(exit))?.message ?? exit.cause)
      )
  })
