/** This library's own simulator as a server of its own: `simulator.mjs <latency in ms>` prints its port. */
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const answer = ({ text }) => ({ name: "John", age: Number(/and I am (\d+) years old/.exec(text)?.[1]) })

await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const { baseUrl } = yield* OpenAiSimulator.make({ answer, latency: Number(process.argv[2] ?? 0) })
  console.log(new URL(baseUrl).port)
  return yield* Effect.never
})))
