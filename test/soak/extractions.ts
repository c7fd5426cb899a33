/**
 * `npm run soak`: ten thousand extractions through the real SDK, a hundred at a time, with one request in twenty failing
 * for the moment. Prints the counts as JSON. The caller sees whether the process exits by itself.
 */
import { Console, Effect, Result, Schedule, Schema, Stream } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"

const count = Number(process.argv[2] ?? 10_000)
const concurrency = 100

let unhandled = 0
process.on("unhandledRejection", () => unhandled++)

const Echo = Schema.Struct({ echo: Schema.String, length: Schema.Int })
const echo = Extraction.make({ schema: Echo })

// Every 20th request fails, each time in another way that a wait mends.
const faults = [
  Fault.rateLimited("50 millis"),
  Fault.serverError,
  Fault.overloaded,
  Fault.badGateway,
  Fault.drop,
  Fault.error(408, { message: "timeout" }),
  Fault.error(409, { message: "conflict" })
]

const llm = OpenAiSimulator.layerLlm({
  latency: "200 millis",
  answer: ({ index, text }) =>
    index % 20 === 19 ? faults[Math.floor(index / 20) % faults.length]! : { echo: text, length: text.length },
  connect: (baseUrl) =>
    OpenAi.layer({ baseUrl, governor: { retry: Schedule.upTo(Schedule.spaced("20 millis"), { times: 10 }) } })
})

const program = Effect.gen(function*() {
  const texts = Stream.map(Stream.range(0, count - 1), (i) => `text ${i}`)
  let [right, wrong] = [0, 0]
  const failures: Array<string> = []
  yield* Stream.runForEach(Batch.stream(echo, texts, { concurrency }), ({ index, input, result }) =>
    Effect.sync(() => {
      if (Result.isFailure(result)) failures.push(result.failure.message)
      else if (result.success.echo === `text ${index}` && input === result.success.echo) right++
      else wrong++
    }))
  const { maxInFlight, requests } = yield* OpenAiSimulator.OpenAiSimulator.use(({ ledger }) => ledger)
  yield* Console.log(JSON.stringify({ right, wrong, failures: failures.slice(0, 5), requests, maxInFlight, unhandled }))
}).pipe(Effect.provide(llm))

await Effect.runPromise(program)
