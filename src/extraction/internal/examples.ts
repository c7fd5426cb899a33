/** Examples in the prompt. `Extraction` exports the public part. */
import * as Arr from "effect/Array"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bm25 from "../../quality/Bm25.ts"
import { type Change, type Extraction, make, sourceText } from "./definition.ts"

/**
 * An input with the value that it should give.
 *
 * @category models
 * @since 0.1.0
 */
export interface Example<out A, out Input> {
  readonly input: Input
  readonly output: A
}

/**
 * The options of `withExamples`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExamplesOptions {
  /** Shows only this many examples: those whose inputs resemble the input most. By default all are shown. */
  readonly nearest?: number | undefined
}

/**
 * Shows examples to the model before the input, as a conversation. They are in the order given, so that requests begin
 * alike for the prompt cache of the provider. What examples say is no source for `grounded`.
 *
 * **Example** (A house style by example)
 *
 * ```ts
 * import { Result, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const phone = Extraction.make({ schema: Schema.Struct({ phone: Schema.String }) }).pipe(
 *   Extraction.withExamples([{ input: "Call 030 1234", output: { phone: "+49 30 1234" } }])
 * )
 *
 * const request = Extraction.toRequest(phone, "Call 040 999", { model: "small" })
 *
 * Result.getOrThrow(request).messages.map(({ role }) => role) // => ["system", "user", "assistant", "user"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withExamples: {
  <A, Input>(examples: ReadonlyArray<Example<NoInfer<A>, NoInfer<Input>>>, options?: ExamplesOptions): <R, Encoded>(
    self: Extraction<A, Input, R, Encoded>
  ) => Extraction<A, Input, R, Encoded>
  <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>,
    examples: ReadonlyArray<Example<NoInfer<A>, NoInfer<Input>>>,
    options?: ExamplesOptions
  ): Extraction<A, Input, R, Encoded>
} = dual(
  (args) => !Array.isArray(args[0]),
  <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>,
    examples: ReadonlyArray<Example<A, Input>>,
    options: ExamplesOptions = {}
  ): Extraction<A, Input, R, Encoded> => {
    const change: Change = (part) =>
      part.derivation === undefined
        ? withShown(part, examples as unknown as ReadonlyArray<Example<unknown, never>>, options)
        : part.derivation.map(change) as typeof part
    return change(self)
  }
)

const withShown = <A, Input, R, Encoded>(
  self: Extraction<A, Input, R, Encoded>,
  examples: ReadonlyArray<Example<unknown, Input>>,
  { nearest }: ExamplesOptions
): Extraction<A, Input, R, Encoded> => {
  const encode = Result.try(() =>
    Schema.encodeUnknownResult(Schema.toCodecJson(Schema.make<Schema.Codec<unknown>>(self.schema.ast)))
  )
  const shown = [
    ...self.examples?.shown ?? [],
    ...examples.map(({ input, output }) => {
      const encoded = Result.isSuccess(encode) ? Result.getOrUndefined(encode.success(output)) : undefined
      // A value that cannot be encoded is taken for its JSON.
      return { text: sourceText(self, input), json: (encoded ?? output) as Schema.Json }
    })
  ]
  const count = Math.floor(nearest ?? Infinity)
  const resembling = count < shown.length ? Bm25.make(shown.map(({ text }) => text)) : undefined
  return make<A, R, Input, Encoded>({
    ...self,
    examples: {
      shown,
      choose: (text: string) =>
        resembling === undefined ? shown : Arr.map(resembling(text, Math.max(0, count)), (i) => shown[i]!)
    }
  } as unknown as Extraction<A, Input, R, Encoded>)
}
