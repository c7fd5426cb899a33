import { Schema } from "effect"

export const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
