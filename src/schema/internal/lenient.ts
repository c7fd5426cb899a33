/**
 * Makes a decoder lenient: it accepts records and tuples in their strict form and in their natural form, and an optional
 * key may be missing or `null`. Models use either form, whatever the schema asks for, and a reask costs money.
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { entryKeys, restKey } from "./strictForm.ts"

/** A codec that decodes to the same values as a JSON codec, and accepts more forms. */
export const toLenient = (codec: SchemaAST.AST): SchemaAST.AST => {
  const encoded = SchemaAST.toEncoded(codec)
  const from = lenient(encoded, nullsForMissing(codec))
  return from === encoded ? codec : SchemaAST.decodeTo(from, codec, SchemaTransformation.passthrough())
}

const lenient = (root: SchemaAST.AST, nullsForMissing: ReadonlySet<SchemaAST.AST>): SchemaAST.AST => {
  const done = new Map<SchemaAST.AST, SchemaAST.AST>()

  const go = (ast: SchemaAST.AST): SchemaAST.AST => {
    const known = done.get(ast)
    if (known !== undefined) return known
    const out = step(ast)
    done.set(ast, out)
    return out
  }

  const step = (ast: SchemaAST.AST): SchemaAST.AST => {
    switch (ast._tag) {
      case "Objects":
        return ast.indexSignatures.length > 0 ? fromEntries(object(ast)) : object(ast)
      case "Arrays":
        return ast.elements.length > 0 ? fromPositions(array(ast)) : array(ast)
      case "Union": {
        const types = SchemaAST.mapOrSame(ast.types, go)
        return types === ast.types
          ? ast
          : new SchemaAST.Union(types, ast.options, ast.annotations, ast.checks, undefined, ast.context)
      }
      case "Suspend":
        return new SchemaAST.Suspend(() => go(ast.thunk()), ast.annotations, undefined, undefined, ast.context)
      default:
        return ast
    }
  }

  const object = (ast: SchemaAST.Objects): SchemaAST.Objects => {
    const properties = SchemaAST.mapOrSame(ast.propertySignatures, (property) => {
      const type = nullsForMissing.has(property.type) ? nullAsMissing(go(property.type)) : go(property.type)
      return type === property.type ? property : new SchemaAST.PropertySignature(property.name, type)
    })
    const indexes = SchemaAST.mapOrSame(ast.indexSignatures, (index) => {
      const type = go(index.type)
      return type === index.type ? index : new SchemaAST.IndexSignature(index.parameter, type)
    })
    return properties === ast.propertySignatures && indexes === ast.indexSignatures
      ? ast
      : new SchemaAST.Objects(properties, indexes, ast.annotations, ast.checks, undefined, ast.context)
  }

  const array = (ast: SchemaAST.Arrays): SchemaAST.Arrays => {
    const elements = SchemaAST.mapOrSame(ast.elements, go)
    const rest = SchemaAST.mapOrSame(ast.rest, go)
    return elements === ast.elements && rest === ast.rest
      ? ast
      : new SchemaAST.Arrays(ast.isMutable, elements, rest, ast.annotations, ast.checks, undefined, ast.context)
  }

  return go(root)
}

/** The encoded types of optional keys whose values are never `null`: there, `null` can only mean "missing". */
const nullsForMissing = (codec: SchemaAST.AST): ReadonlySet<SchemaAST.AST> => {
  const found = new Set<SchemaAST.AST>()
  const seen = new Set<SchemaAST.AST>()
  const visit = (ast: SchemaAST.AST): void => {
    if (seen.has(ast)) return
    seen.add(ast)
    if (ast.encoding !== undefined) return visit(ast.encoding[ast.encoding.length - 1]!.to)
    switch (ast._tag) {
      case "Objects":
        for (const { type } of ast.propertySignatures) {
          const encoded = SchemaAST.toEncoded(type)
          if (SchemaAST.isOptional(encoded) && !knowsNull(SchemaAST.toType(type))) found.add(encoded)
          visit(type)
        }
        return ast.indexSignatures.forEach(({ type }) => visit(type))
      case "Arrays":
        return [...ast.elements, ...ast.rest].forEach(visit)
      case "Union":
        return ast.types.forEach(visit)
      case "Suspend":
        return visit(ast.thunk())
    }
  }
  visit(codec)
  return found
}

const knowsNull = (type: SchemaAST.AST): boolean =>
  SchemaAST.isNull(type) || SchemaAST.isUnknown(type) || SchemaAST.isAny(type) ||
  SchemaAST.isUnion(type) && type.types.some(knowsNull)

const nullAsMissing = (type: SchemaAST.AST): SchemaAST.AST =>
  SchemaAST.decodeTo(
    new SchemaAST.Union([type, SchemaAST.null], undefined, undefined, undefined, undefined, optional),
    SchemaAST.toType(type),
    SchemaTransformation.transformOptional({
      decode: Option.filter(Predicate.isNotNull),
      encode: (value) => value
    })
  )

const optional = new SchemaAST.Context(true, false)

const required = (type: SchemaAST.AST): SchemaAST.AST => SchemaAST.isOptional(type) ? new SchemaAST.Union([type]) : type

const fromEntries = (natural: SchemaAST.Objects): SchemaAST.AST => {
  const key = oneOf([
    ...natural.propertySignatures.map(({ name }) => new SchemaAST.Literal(String(name))),
    ...natural.indexSignatures.map(({ parameter }) => parameter)
  ])
  const value = oneOf([
    ...natural.propertySignatures.map(({ type }) => required(type)),
    ...natural.indexSignatures.map(({ type }) => type)
  ])
  const entry = new SchemaAST.Objects([
    new SchemaAST.PropertySignature(entryKeys.key, key),
    new SchemaAST.PropertySignature(entryKeys.value, value)
  ], [])
  type Entry = { readonly [entryKeys.key]: string; readonly [entryKeys.value]: unknown }
  return SchemaAST.decodeTo(
    new SchemaAST.Union<SchemaAST.AST>([natural, new SchemaAST.Arrays(false, [], [entry])]),
    SchemaAST.toType(natural),
    SchemaTransformation.transform<unknown, unknown>({
      decode: (value) =>
        Array.isArray(value) ? Object.fromEntries(value.map(({ key, value }: Entry) => [key, value])) : value,
      encode: (value) => value
    })
  )
}

const fromPositions = (natural: SchemaAST.Arrays): SchemaAST.AST => {
  const [rest, ...tail] = natural.rest
  if (tail.length > 0) return natural
  const positions = new SchemaAST.Objects([
    ...natural.elements.map((type, i) =>
      new SchemaAST.PropertySignature(String(i), SchemaAST.isOptional(type) ? nullAsMissing(type) : type)
    ),
    ...(rest === undefined ? [] : [
      new SchemaAST.PropertySignature(
        restKey,
        new SchemaAST.Arrays(false, [], [rest], undefined, undefined, undefined, optional)
      )
    ])
  ], [])
  return SchemaAST.decodeTo(
    new SchemaAST.Union<SchemaAST.AST>([natural, positions]),
    SchemaAST.toType(natural),
    SchemaTransformation.transform<unknown, unknown>({
      decode: (value) =>
        Predicate.isObject(value) && !Array.isArray(value) ? toTuple(value, natural.elements.length) : value,
      encode: (value) => value
    })
  )
}

const toTuple = (positions: { readonly [x: PropertyKey]: unknown }, length: number): ReadonlyArray<unknown> => {
  const out: Array<unknown> = []
  for (let i = 0; i < length && Object.hasOwn(positions, i); i++) out.push(positions[i])
  const rest = positions[restKey]
  return Array.isArray(rest) ? [...out, ...rest] : out
}

const oneOf = (types: ReadonlyArray<SchemaAST.AST>): SchemaAST.AST => {
  const unique = Array.from(new Set(types))
  return unique.length === 1 ? unique[0]! : new SchemaAST.Union(unique)
}
