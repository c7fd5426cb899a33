/** Schemas at random, with values of theirs, and those values as models write them. */
import { Arbitrary, Schema } from "effect"

/** A description of a schema, small enough to generate and to shrink. */
export type Spec =
  | { readonly _tag: "String" | "Int" | "Finite" | "Boolean" | "Date" | "BigInt" | "Pattern" | "Number" }
  | { readonly _tag: "Literals"; readonly count: number }
  | { readonly _tag: "NullOr" | "Array" | "Record" | "Option"; readonly of: Spec }
  | { readonly _tag: "Tuple"; readonly of: ReadonlyArray<Spec>; readonly rest: boolean }
  | { readonly _tag: "Struct" | "Class"; readonly fields: ReadonlyArray<Field> }
  | { readonly _tag: "Union"; readonly of: ReadonlyArray<ReadonlyArray<Field>> }
  | { readonly _tag: "Tree"; readonly of: Spec }

interface Field {
  readonly presence: "required" | "optionalKey" | "optional"
  readonly of: Spec
}

const upTo = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: most }))

const Scalar = Schema.Struct({
  _tag: Schema.Literals(["String", "Int", "Finite", "Boolean", "Date", "BigInt", "Pattern", "Number"])
})

const specs = (depth: number): Schema.Codec<Spec> => {
  if (depth === 0) return Scalar
  const of = specs(depth - 1)
  const field = Schema.Struct({ presence: Schema.Literals(["required", "optionalKey", "optional"]), of })
  const fields = Schema.Array(field).check(Schema.isMinLength(1), Schema.isMaxLength(4))
  return Schema.Union([
    Scalar,
    Schema.Struct({ _tag: Schema.Literal("Literals"), count: upTo(4) }),
    Schema.Struct({ _tag: Schema.Literals(["NullOr", "Array", "Record", "Option", "Tree"]), of }),
    Schema.Struct({
      _tag: Schema.Literal("Tuple"),
      of: Schema.Array(of).check(Schema.isMinLength(1), Schema.isMaxLength(3)),
      rest: Schema.Boolean
    }),
    Schema.Struct({ _tag: Schema.Literals(["Struct", "Class"]), fields }),
    Schema.Struct({
      _tag: Schema.Literal("Union"),
      of: Schema.Array(fields).check(Schema.isMinLength(2), Schema.isMaxLength(3))
    })
  ])
}

type AnyCodec = Schema.Codec<unknown, unknown>

const toSchema = (spec: Spec): AnyCodec => {
  switch (spec._tag) {
    case "String":
      return Schema.String
    case "Int":
      return Schema.Int
    case "Finite":
      return Schema.Finite
    case "Number":
      return Schema.Number.check(Schema.isBetween({ minimum: -1000, maximum: 1000 }))
    case "Boolean":
      return Schema.Boolean
    case "Date":
      return Schema.Date
    case "BigInt":
      return Schema.BigInt
    case "Pattern":
      return Schema.String.check(Schema.isPattern(/^[a-c]{1,4}$/))
    case "Literals":
      return Schema.Literals(["a", "b", "c", "d"].slice(0, spec.count))
    case "NullOr":
      return Schema.NullOr(toSchema(spec.of))
    case "Array":
      return Schema.Array(toSchema(spec.of))
    case "Record":
      return Schema.Record(Schema.String, toSchema(spec.of))
    case "Option":
      return Schema.OptionFromNullOr(toSchema(withoutNull(spec.of)))
    case "Tuple": {
      const tuple = Schema.Tuple(spec.of.map(toSchema))
      return spec.rest ? Schema.TupleWithRest(tuple, [Schema.Boolean]) : tuple
    }
    case "Struct":
      return Schema.Struct(toFields(spec.fields))
    case "Class":
      return class Generated extends Schema.Class<Generated>("Generated")(toFields(spec.fields)) {}
    case "Union":
      return Schema.Union(
        spec.of.map((fields, i) => Schema.Struct({ kind: Schema.Literal(`kind${i}`), ...toFields(fields) }))
      )
    case "Tree": {
      interface Tree {
        readonly leaf: unknown
        readonly children: ReadonlyArray<Tree>
      }
      const tree: Schema.Codec<Tree, Tree> = Schema.Struct({
        leaf: toSchema(spec.of),
        children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => tree)).check(Schema.isMaxLength(2))
      })
      return tree
    }
  }
}

// What null means is not to be told apart twice.
const withoutNull = (spec: Spec): Spec => spec._tag === "NullOr" || spec._tag === "Option" ? withoutNull(spec.of) : spec

const toFields = (fields: ReadonlyArray<Field>): Record<string, AnyCodec> =>
  Object.fromEntries(fields.map(({ of, presence }, i) => {
    switch (presence) {
      case "required":
        return [`field${i}`, toSchema(of)]
      case "optionalKey":
        return [`field${i}`, Schema.optionalKey(toSchema(withoutNull(of)))]
      case "optional":
        return [`field${i}`, Schema.optional(toSchema(withoutNull(of)))]
    }
  }))

type Obj = { readonly [key: string]: unknown }

/** The JSON of a value, rewritten by hand into what a strict schema makes of it. */
export const toStrictForm = (spec: Spec, json: unknown): unknown => {
  switch (spec._tag) {
    case "NullOr":
      return json === null ? null : toStrictForm(spec.of, json)
    case "Option":
      return json === null ? null : toStrictForm(withoutNull(spec.of), json)
    case "Array":
      return (json as ReadonlyArray<unknown>).map((element) => toStrictForm(spec.of, element))
    case "Record":
      return Object.entries(json as Obj).map(([key, value]) => ({ key, value: toStrictForm(spec.of, value) }))
    case "Tuple": {
      const elements = json as ReadonlyArray<unknown>
      return {
        ...Object.fromEntries(spec.of.map((element, i) => [String(i), toStrictForm(element, elements[i])])),
        ...(spec.rest && { rest: elements.slice(spec.of.length) })
      }
    }
    case "Struct":
    case "Class":
      return strictFields(spec.fields, json as Obj)
    case "Union": {
      const kind = (json as Obj)["kind"] as string
      return { kind, ...strictFields(spec.of[Number(kind.slice(4))]!, json as Obj) }
    }
    case "Tree":
      return {
        leaf: toStrictForm(spec.of, (json as Obj)["leaf"]),
        children: ((json as Obj)["children"] as ReadonlyArray<unknown>).map((child) => toStrictForm(spec, child))
      }
    default:
      return json
  }
}

const strictFields = (fields: ReadonlyArray<Field>, json: Obj): Obj =>
  Object.fromEntries(fields.map(({ of, presence }, i) => {
    const value = json[`field${i}`]
    const inner = presence === "required" ? of : withoutNull(of)
    return [
      `field${i}`,
      value === undefined || value === null && presence !== "required" ? null : toStrictForm(inner, value)
    ]
  }))

export interface Sample {
  readonly spec: Spec
  readonly schema: AnyCodec
  readonly value: unknown
}

/** A schema and one of its values. */
export const sample: Arbitrary.Arbitrary<Sample> = Arbitrary.schema(specs(3)).pipe(
  Arbitrary.flatMap((spec) => {
    const schema = toSchema(spec)
    return Arbitrary.map(Arbitrary.schema(schema), (value) => ({ spec, schema, value }))
  })
)
