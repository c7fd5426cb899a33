/** What a report shows. `BatchReport` exports it. */
import type * as Schema from "effect/Schema"
import type { Usage } from "../../../llm/Usage.ts"

/**
 * An item as a report shows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReportEntry {
  /** The position of the input in its source, from 0. */
  readonly index: number
  readonly id?: string | undefined
  readonly text?: string | undefined
  /** The value, if there is no error. */
  readonly value?: Schema.Json | undefined
  readonly error?: {
    /** The tag of its reason. */
    readonly reason: string
    readonly message: string
    readonly issues?: ReadonlyArray<string> | undefined
  } | undefined
  readonly attempts: number
  readonly usage: Usage
  readonly latencyMillis?: number | undefined
  /** When it finished, in milliseconds since 1970. Without it the charts run over the items instead of the time. */
  readonly finishedAt?: number | undefined
  /** Whether an earlier run finished it. */
  readonly restored?: boolean | undefined
  /** From 0 to 1. */
  readonly confidence?: number | undefined
  /** Where the leaves of the value are in the text, in UTF-16 code units. Without it, the page looks for them. */
  readonly provenance?:
    | ReadonlyArray<{
      /** Such as `address.city` or `items[].price`. */
      readonly path: string
      readonly start: number
      readonly end: number
    }>
    | undefined
  /** The expected value. */
  readonly gold?: Schema.Json | undefined
}

/**
 * Options of a report.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Default "Run". */
  readonly title?: string | undefined
  /** Further figures to show: `[["Retries", "12"]]`. */
  readonly figures?: ReadonlyArray<readonly [name: string, value: string]> | undefined
}
