/** Parameters of the requests of a command. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as LlmRequest from "../../llm/LlmRequest.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface Options {
  readonly maxTokens?: number | undefined
  readonly temperature?: number | undefined
  /** From `--set key=value`. */
  readonly set?: Readonly<Record<string, string>> | undefined
}

export const areGiven = ({ maxTokens, set, temperature }: Options): boolean =>
  maxTokens !== undefined || set !== undefined || temperature !== undefined

const fields = LlmRequest.Parameters.fields

/** Names as the body of a request has them, too. */
const names: ReadonlyMap<string, string> = new Map(
  Object.keys(fields).flatMap((name) => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return name === "extra" ? [] : [[name, name], [snake, name]] as const
  })
)

const decode = Schema.decodeUnknownOption(LlmRequest.Parameters)

/** Adds to the parameters of an extraction. What the library has no name for goes into the request as it is. */
export const merge = (
  parameters: LlmRequest.Parameters,
  { maxTokens, set = {}, temperature }: Options
): Effect.Effect<LlmRequest.Parameters, CommandFailure> => {
  const known: Record<string, Schema.Json> = {}
  const extra: Record<string, Schema.Json> = {}
  for (const [key, text] of Object.entries(set)) {
    const name = names.get(key)
    const value = valueOf(text)
    if (name === undefined) {
      Object.defineProperty(extra, key, { value, enumerable: true })
      continue
    }
    // A text that looks like a number may be meant as a text.
    const usable = [value, text, [text]].find((candidate) => Option.isSome(decode({ [name]: candidate })))
    if (usable === undefined) {
      return Effect.fail(usage(`--set ${key}=${text}: ${key} cannot be ${JSON.stringify(value)}`))
    }
    known[name] = usable
  }
  const extras = { ...parameters.extra, ...extra }
  return Effect.succeed({
    ...parameters,
    // Each was decoded above.
    ...known as LlmRequest.Parameters,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(Object.keys(extras).length > 0 && { extra: extras })
  })
}

/** JSON where it is JSON, otherwise text. */
const valueOf = (text: string): Schema.Json =>
  Result.getOrElse(Result.try(() => JSON.parse(text) as Schema.Json), () => text)
