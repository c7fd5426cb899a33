/** The simulator of `offline.ts`. Prints its base URL. */
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const program = Effect.gen(function*() {
  const { baseUrl } = yield* OpenAiSimulator.make({
    answer: ({ text }) => {
      const [, name, age] = /My name is (John \d+) and I am (\d+)/.exec(text)!
      return { name: name!, age: Number(age) }
    },
    keep: 1
  })
  console.log(baseUrl)
  return yield* Effect.never
})

void Effect.runPromise(Effect.scoped(program))
