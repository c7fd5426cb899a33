/** The values of a stream of results up to the first failure, with which the stream then fails. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

export const stopAtFailure = <A, F, E, R>(
  stream: Stream.Stream<{ readonly result: Result.Result<A, F> }, E, R>
): Stream.Stream<A, E | F, R> =>
  Stream.transformPull(stream, (pull) =>
    Effect.sync(() => {
      let failure: { readonly error: F } | undefined
      const next: Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E | F> = Effect.suspend(() =>
        failure !== undefined ? Effect.fail(failure.error) : Effect.flatMap(pull, (items) => {
          const values: Array<A> = []
          for (const { result } of items) {
            if (Result.isFailure(result)) {
              failure = { error: result.failure }
              break
            }
            values.push(result.success)
          }
          return Arr.isArrayNonEmpty(values) ? Effect.succeed(values) : next
        })
      )
      return next
    }))
