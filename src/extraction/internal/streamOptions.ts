/** The common options of streamed extractions and their defaults. */
import * as Duration from "effect/Duration"
import type { Limits } from "../../answer/ListReader.ts"
import { Stalled } from "../ExtractionError.ts"

export interface StreamOptions {
  /**
   * The longest pause within an answer. It does not apply to the wait for the first piece, because models may think
   * before they answer: the timeout of the provider does.
   *
   * @default "1 minute"
   */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * The maximum length of an answer in characters.
   *
   * @default 33554432
   */
  readonly maxLength?: number | undefined
  /**
   * The maximum nesting of an answer.
   *
   * @default 256
   */
  readonly maxDepth?: number | undefined
}

export const limitsOf = (options: StreamOptions): Limits => ({
  maxLength: options.maxLength ?? 32 * 1024 * 1024,
  maxDepth: options.maxDepth ?? 256
})

/** The idle timeout for `IdleTimeout.make`. `text` returns the text so far. */
export const idleOf = (
  options: StreamOptions,
  text: () => string
): { readonly idle: number; readonly onIdle: () => Stalled } => {
  const idle = Duration.fromInputUnsafe(options.idleTimeout ?? "1 minute")
  return { idle: Duration.toMillis(idle), onIdle: () => new Stalled({ text: text(), after: idle }) }
}
