/** Flags that more than one command has. */
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as LlmRequest from "../../llm/LlmRequest.ts"

export const schema = Flag.String("schema").pipe(
  Flag.withDescription("The schema: file.ts#Export, file.js#Export, or a JSON Schema in a .json file"),
  Flag.withMetavar("file")
)

/** An optional flag is `undefined` where it is not given. */
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
      (text) => `Expected a time such as 500ms, 60s, 2m or 1h, got ${JSON.stringify(text)}`
    ),
    Flag.withMetavar("time")
  )

export const count = (name: string): Flag.Flag<number> =>
  Flag.Int(name).pipe(Flag.filter((n) => n >= 1, (n) => `Expected a whole number above 0, got ${n}`))

const amount = (name: string): Flag.Flag<number> =>
  Flag.Finite(name).pipe(Flag.filter((n) => n > 0, (n) => `Expected a number above 0, got ${n}`))

/** The most to be in flight where the server is to show how many it takes. */
const mostAdaptive = 1024

/** How fast to ask. */
export const pace = {
  concurrency: Flag.String("concurrency").pipe(
    Flag.withDescription("How many items may be in flight, or adaptive: as many as the server takes (default 32)"),
    Flag.withMetavar("number"),
    Flag.withDefault("32"),
    Flag.filterMap(
      (text) =>
        text === "adaptive"
          ? Option.some(mostAdaptive)
          : Option.filter(Option.some(Number(text)), (n) => Number.isInteger(n) && n >= 1),
      (text) => `Expected a whole number above 0 or adaptive, got ${JSON.stringify(text)}`
    )
  ),
  rpm: count("rpm").pipe(
    Flag.withDescription("Send no more requests in a minute (default: what the server says its limit is)"),
    optional
  ),
  tpm: count("tpm").pipe(
    Flag.withDescription("Ask for no more tokens in a minute (default: what the server says its limit is)"),
    optional
  )
}

/** What may be spent, and what need not be spent again. */
export const spending = {
  cache: Flag.String("cache").pipe(
    Flag.withDescription("A SQLite file that answers are kept in, and taken from when the same is asked again"),
    Flag.withMetavar("file"),
    optional
  ),
  budgetUsd: amount("budget-usd").pipe(
    Flag.withDescription("Spend no more US dollars in this run. What is left over is done by a run with a new budget"),
    optional
  ),
  budgetTokens: count("budget-tokens").pipe(
    Flag.withDescription("Use no more tokens in this run, of texts and answers together"),
    optional
  )
}

/** How to ask: these override what an Extraction says itself. */
export const asking = {
  instructions: Flag.String("instructions").pipe(
    Flag.withDescription("What to tell the model about the task"),
    Flag.withMetavar("text"),
    optional
  ),
  instructionsFile: Flag.String("instructions-file").pipe(
    Flag.withDescription("The same, from a file"),
    Flag.withMetavar("file"),
    optional
  ),
  mode: Flag.Literals("mode", LlmRequest.OutputMode.literals).pipe(
    Flag.withDescription("How the schema reaches the model (default json_schema)"),
    optional
  ),
  model: Flag.String("model").pipe(
    Flag.withDescription("The model (default OPENAI_MODEL)"),
    optional
  ),
  maxAttempts: count("max-attempts").pipe(
    Flag.withDescription("How often the model is asked for one item, until its answer is valid (default 3)"),
    optional
  ),
  timeout: duration("timeout").pipe(
    Flag.withDescription("The longest one item may take, all its attempts and waits together (default none)"),
    optional
  )
}

export const baseUrl = Flag.String("base-url").pipe(
  Flag.withDescription("Where the model is (default OPENAI_BASE_URL, else OpenAI)"),
  Flag.withMetavar("url"),
  optional
)
