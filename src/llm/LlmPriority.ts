import * as Effect from "effect/Effect"
import { CurrentFlow } from "./Priority.ts"
export { CurrentFlow as CurrentLlmFlow, CurrentPriority as CurrentLlmPriority, type Priority as LlmPriority, withPriority } from "./Priority.ts"
export const asFlow = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentFlow, (flow) => flow === undefined ? Effect.provideService(self, CurrentFlow, {}) : self)
