/** The source of a batch. `Batch` exports the public part. */
import * as Stream from "effect/Stream"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import { notSent } from "./item.ts"

/**
 * A list of inputs: an array or another iterable, but not a text.
 *
 * @category models
 * @since 0.1.0
 */
export type Inputs<In> = Iterable<In> & object

/**
 * The source of a batch: a list, or a stream of any length.
 *
 * @category models
 * @since 0.1.0
 */
export type Source<In, E = never, R = never> = Inputs<In> | Stream.Stream<In, E, R>

/** The types exclude a text, but not every program is type-checked. Its characters would be sent one by one. */
export const refuseText = (extraction: string, source: unknown): ExtractionError | undefined =>
  typeof source === "string"
    ? notSent(extraction, "A batch needs a list or a stream of inputs, and got a text")
    : undefined

export const chunkSize = 16

/** The inputs of an array are in memory already, and larger chunks need less CPU. */
export const arrayChunkSize = 512

/** An iterable may produce its inputs on demand, so it is read in small chunks. */
export const toStream = <In, E, R>(
  source: Iterable<In> | Stream.Stream<In, E, R>,
  arrayChunkSize: number
): Stream.Stream<In, E, R> =>
  Stream.isStream(source)
    ? source
    : Stream.fromIterable(source, { chunkSize: Array.isArray(source) ? arrayChunkSize : chunkSize })
