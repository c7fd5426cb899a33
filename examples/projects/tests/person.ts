import { Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })

/** The age of the person in a text, if the model answers. */
export const ageOf = (text: string) =>
  Extraction.extract(person, text).pipe(
    Effect.map(({ age }) => age),
    Effect.catchReason("ExtractionError", "Refused", () => Effect.succeed(undefined))
  )
