/** Streamed extractions in tests: how they end, what they emit, and answers to stream. */
import { Cause, Effect, Exit, Option, Ref, Result, Schema, Stream } from "effect"
import { Extraction, type ExtractionError, ExtractionStream, type LlmRequest } from "effect-instructor"
import { MockLlm, type Reply } from "effect-instructor/testing"

export const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
export const person = Extraction.make({ schema: Person, name: "person" })
export const ada = { name: "Ada", age: 36 }
export const alan = { name: "Alan", age: 41 }
export const grace = { name: "Grace", age: 85 }

export const modes: ReadonlyArray<LlmRequest.OutputMode> = ["json_schema", "tools", "json", "markdown"]

/** The items before the end of a stream, and the error that it ended with. */
export const outcome = <A, R>(stream: Stream.Stream<A, ExtractionError.ExtractionError, R>) =>
  Effect.gen(function*() {
    const seen = yield* Ref.make<ReadonlyArray<A>>([])
    const exit = yield* Effect.exit(Stream.runForEach(stream, (a) => Ref.update(seen, (all) => [...all, a])))
    if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return yield* Effect.die(exit.cause)
    const error = Exit.isFailure(exit) ? Option.getOrThrow(Exit.findErrorOption(exit)) : undefined
    return { seen: yield* Ref.get(seen), error }
  })

/** The index of each element, with its value or, if it failed, its text. */
export const shown = <A>(elements: ReadonlyArray<ExtractionStream.Element<A>>) =>
  elements.map(({ index, result, text }) => [index, Result.isSuccess(result) ? result.success : text])

/** The elements of one reply. */
export const elements = <A, R>(
  schema: Schema.ConstraintDecoder<A, R>,
  reply: Reply.Input,
  options?: ExtractionStream.ElementsOptions & MockLlm.Options & { readonly mode?: LlmRequest.OutputMode }
) =>
  outcome(
    ExtractionStream.elements(Extraction.make({ schema, name: "thing", mode: options?.mode }), "text", options)
  ).pipe(Effect.provide(MockLlm.layer([reply], options)))
