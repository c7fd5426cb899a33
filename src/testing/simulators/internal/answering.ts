/** The answer to a request: a reply or a fault, after the time that it takes. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fault from "../../Fault.ts"
import * as Reply from "../../Reply.ts"
import type { Answer } from "../OpenAiSimulator.ts"
import type { ChatRequest } from "./chatRequest.ts"
import { shape } from "./shapedReply.ts"
import * as Slots from "./slots.ts"

export interface Options {
  readonly answer: Answer
  readonly latency?: Duration.Input | undefined
  readonly slots?: { readonly count: number; readonly queue: number } | undefined
}

export const make = (options: Options): (chat: ChatRequest) => Effect.Effect<Reply.Reply | Fault.Fault> => {
  const latency = Duration.fromInputUnsafe(options.latency ?? Duration.zero)
  const slots = options.slots === undefined ? undefined : Slots.make(options.slots)

  return Effect.fnUntraced(function*(chat) {
    const answer = options.answer(chat.simulated)
    const outcome = toOutcome(Effect.isEffect(answer) ? yield* answer : answer, chat)
    const delay = Fault.isFault(outcome) ? latency : Duration.sum(latency, outcome.delay)
    if (slots !== undefined) return (yield* slots.hold(Effect.sleep(delay))) ?? outcome
    if (!Duration.isZero(delay)) yield* Effect.sleep(delay)
    return outcome
  })
}

const toOutcome = (input: Reply.Input | Fault.Fault, chat: ChatRequest): Reply.Reply | Fault.Fault => {
  if (!Fault.isFault(input)) return shape(Reply.fromInput(input), chat)
  return input._tag === "Respond" || input.inside === undefined
    ? input
    : { ...input, inside: { ...input.inside, reply: shape(input.inside.reply, chat) } }
}
