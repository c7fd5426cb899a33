/** Flags that several commands share. */
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as LlmRequest from "../../llm/LlmRequest.ts"

export const schema = Flag.String("schema").pipe(
  Flag.withAlias("s"),
  Flag.withDescription("file.ts#Export, file.js#Export, a JSON Schema in a .json file, or '{ name, age: int }'"),
  Flag.withMetavar("schema")
)

/** An optional flag is `undefined` where it is absent. */
export const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  Flag.map(Flag.optional(flag), Option.getOrUndefined)

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim())
  return match === null ? Option.none() : Option.some(Duration.millis(Number(match[1]) * units[match[2]!]!))
}

export const duration = (name: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.filterMap(
      parseDuration,
      (text) => `Expected a duration such as 500ms, 60s, 2m or 1h, got ${JSON.stringify(text)}`
    ),
    Flag.withMetavar("duration")
  )

export const count = (name: string): Flag.Flag<number> =>
  Flag.Int(name).pipe(Flag.filter((n) => n >= 1, (n) => `Expected a whole number above 0, got ${n}`))

const amount = (name: string): Flag.Flag<number> =>
  Flag.Finite(name).pipe(Flag.filter((n) => n > 0, (n) => `Expected a number above 0, got ${n}`))

export const enabled = (name: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDefault(false))

/** The options of the offline engine. */
export const offline = {
  finish: Flag.Literals("finish", ["online", "batch", "none"]).pipe(
    Flag.withDescription("With --engine offline: how invalid answers are asked again (default batch)"),
    optional
  ),
  deadline: duration("deadline").pipe(
    Flag.withDescription("With --engine offline: finish online what would take longer than this"),
    optional
  ),
  poll: duration("poll").pipe(
    Flag.withDescription("With --engine offline: how often to ask for the status of batches (default 5s to 1m)"),
    optional
  )
}

/** The most items in flight when the governor finds the concurrency by itself. */
const adaptiveConcurrency = 1024

/** Concurrency and rate limits. */
export const pace = {
  concurrency: Flag.String("concurrency").pipe(
    Flag.withAlias("c"),
    Flag.withDescription("Items in flight, or adaptive for as many as the server accepts (default 32)"),
    Flag.withMetavar("number"),
    Flag.withDefault("32"),
    Flag.filterMap(
      (text) =>
        text === "adaptive"
          ? Option.some(adaptiveConcurrency)
          : Option.filter(Option.some(Number(text)), (n) => Number.isInteger(n) && n >= 1),
      (text) => `Expected a whole number above 0 or adaptive, got ${JSON.stringify(text)}`
    )
  ),
  rpm: count("rpm").pipe(
    Flag.withDescription("The most requests per minute (default: the limit that the server reports)"),
    optional
  ),
  tpm: count("tpm").pipe(
    Flag.withDescription("The most tokens per minute (default: the limit that the server reports)"),
    optional
  )
}

/** Cache and budgets. */
export const spending = {
  cache: Flag.String("cache").pipe(
    Flag.withDescription("A SQLite file that caches answers to equal requests"),
    Flag.withMetavar("file"),
    optional
  ),
  budgetUsd: amount("budget-usd").pipe(
    Flag.withDescription("The most US dollars to spend in this run. Items beyond it stay pending for the next run"),
    optional
  ),
  budgetTokens: count("budget-tokens").pipe(
    Flag.withDescription("The most tokens to use in this run, input and output together"),
    optional
  )
}

/** Options of an extraction, which override those in its module. */
export const extraction = {
  instructions: Flag.String("instructions").pipe(
    Flag.withDescription("The system message"),
    Flag.withMetavar("text"),
    optional
  ),
  instructionsFile: Flag.String("instructions-file").pipe(
    Flag.withDescription("A file with the system message"),
    Flag.withMetavar("file"),
    optional
  ),
  mode: Flag.Literals("mode", LlmRequest.OutputMode.literals).pipe(
    Flag.withDescription("How the schema reaches the model (default json_schema)"),
    optional
  ),
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withDescription(
      "The model with its provider, as anthropic/claude-haiku-5-5 (default EFFECT_INSTRUCTOR_MODEL), or a model of OpenAI"
    ),
    optional
  ),
  maxTokens: count("max-tokens").pipe(
    Flag.withDescription("The most tokens of an answer, reasoning included"),
    optional
  ),
  temperature: Flag.Finite("temperature").pipe(
    Flag.filter((n) => n >= 0, (n) => `Expected a number from 0, got ${n}`),
    Flag.withDescription("The temperature of the model"),
    optional
  ),
  set: Flag.KeyValuePair("set").pipe(
    Flag.withDescription("Another parameter of the requests, such as seed=1. Can be repeated"),
    Flag.withMetavar("key=value"),
    optional
  ),
  maxAttempts: count("max-attempts").pipe(
    Flag.withDescription("The most answers per item until one is valid (default 3)"),
    optional
  ),
  maxContinuations: count("max-continuations").pipe(
    Flag.withDescription("How often the rest of an answer that was cut off is asked for (default 0)"),
    optional
  ),
  timeout: duration("timeout").pipe(
    Flag.withDescription("The most time per item, with all attempts and waits (default unlimited)"),
    optional
  )
}

export const baseUrl = Flag.String("base-url").pipe(
  Flag.withDescription("The base URL of the server (default OPENAI_BASE_URL, otherwise OpenAI)"),
  Flag.withMetavar("url"),
  optional
)

/** How the server is reached, and how long it is waited for. */
export const server = {
  baseUrl,
  requestTimeout: duration("request-timeout").pipe(
    Flag.withDescription("The most time for one request, after which it is sent again (default 10m)"),
    optional
  ),
  giveUpAfter: duration("give-up-after").pipe(
    Flag.withDescription("How long a server may fail or refuse all requests before the command stops (default 1h)"),
    optional
  ),
  maxServerDelay: duration("max-server-delay").pipe(
    Flag.withDescription("The longest wait that a server may ask for before the command stops (default 5m)"),
    optional
  )
}
