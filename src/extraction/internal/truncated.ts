/** The failures of an answer or a prompt that was cut off. `ExtractionError` exports them. */
import * as Schema from "effect/Schema"

/**
 * The answer was cut off at the token limit. There is no reask, because the next answer would be cut off, too. The option
 * `maxContinuations` asks for the rest of it instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class Truncated extends Schema.Error<Truncated>("effect-instructor/ExtractionError/Truncated")({
  _tag: Schema.tag("Truncated"),
  /** The text that arrived, with the continuations that could be joined to it. */
  text: Schema.String,
  /** The `maxTokens` of the request, if it had one. */
  maxTokens: Schema.optionalKey(Schema.Natural),
  /** How many times its rest was asked for. */
  continuations: Schema.optionalKey(Schema.Natural)
}) {
  override get message(): string {
    const { continuations, maxTokens, text } = this
    const where = maxTokens === undefined ? "at the model's own token limit" : `at maxTokens (${maxTokens})`
    const tries = continuations === undefined
      ? ""
      : `, and its rest could not be completed or joined in ${continuations} continuation${
        continuations === 1 ? "" : "s"
      }`
    const advice = maxTokens === undefined ? "Extract less at once" : "Raise it in parameters, or extract less at once"
    const option = continuations === undefined ? ", or set maxContinuations" : ""
    return `The answer was cut off ${where}${tries}. ${advice}${option}. ${text.length} characters arrived`
  }
}

/**
 * The server counted far fewer tokens than the prompt has: it cut the prompt off without saying so, as local servers with a
 * small context do. The answer is about a part of the text, and is not used. Raise the context of the server, or split the
 * text with `Extraction.long`.
 *
 * @category errors
 * @since 0.1.0
 */
export class PromptTruncated
  extends Schema.Error<PromptTruncated>("effect-instructor/ExtractionError/PromptTruncated")({
    _tag: Schema.tag("PromptTruncated"),
    /** The tokens that the server counted. */
    inputTokens: Schema.Natural,
    /** The tokens that the prompt has, as an estimate. */
    expected: Schema.Natural
  })
{
  override get message(): string {
    return `The server read ${this.inputTokens} tokens of a prompt of about ${this.expected}, so it cut the prompt off. ` +
      `Raise the context length of the server, or split the text with Extraction.long`
  }
}
