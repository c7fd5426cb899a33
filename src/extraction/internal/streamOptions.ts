/** Options that streamed extractions have in common, with their defaults. */
import * as Duration from "effect/Duration"
import type { Limits } from "../../answer/ListReader.ts"
import { Stalled } from "../ExtractionError.ts"

export interface StreamOptions {
  /**
   * The longest pause inside an answer. Before an answer begins the provider's own timeout applies, for models that
   * think first.
   *
   * @default "1 minute"
   */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * The most characters of an answer.
   *
   * @default 33554432
   */
  readonly maxLength?: number | undefined
  /**
   * The deepest nesting of an answer.
   *
   * @default 256
   */
  readonly maxDepth?: number | undefined
}

export const limitsOf = (options: StreamOptions): Limits => ({
  maxLength: options.maxLength ?? 32 * 1024 * 1024,
  maxDepth: options.maxDepth ?? 256
})

/** The idle timeout, as an `IdleTimeout` takes it. `text` gives what has arrived. */
export const idleOf = (
  options: StreamOptions,
  text: () => string
): { readonly idle: number; readonly onIdle: () => Stalled } => {
  const idle = Duration.fromInputUnsafe(options.idleTimeout ?? "1 minute")
  return { idle: Duration.toMillis(idle), onIdle: () => new Stalled({ text: text(), after: idle }) }
}
