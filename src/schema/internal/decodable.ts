/**
 * A JSON codec as the decoder of answers: JSON numbers are numbers, dates exist, and a union takes the member that uses
 * most of a value.
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as AstShape from "./astShape.ts"
import * as IsoDate from "./isoDate.ts"
import * as Shape from "./shape.ts"

/**
 * A codec whose encoded side is what JSON can say: numbers that are finite, dates that exist, and `null` for the
 * `undefined` of an optional key only where it is not simply missing.
 */
export const toJson = (codec: SchemaAST.AST): SchemaAST.AST =>
  rewrite(codec, (ast) => {
    if (isJsonNumber(ast)) return copy(ast, { encoding: undefined })
    if (SchemaAST.isUnion(ast) && SchemaAST.isOptional(ast)) {
      return copy(ast, { types: ast.types.filter((type) => !SchemaAST.isUndefined(type)) })
    }
    return SchemaAST.isString(ast) && IsoDate.isExpected(ast)
      ? Schema.make<Schema.String>(ast).check(IsoDate.check).ast
      : ast
  })

/** A codec whose unions take the member that uses most of a value, and not the first that decodes. */
export const withDecidedUnions = (codec: SchemaAST.AST): SchemaAST.AST =>
  rewrite(codec, (ast) => {
    if (!SchemaAST.isUnion(ast)) return ast
    const types = decided(ast.types)
    return types === ast.types ? ast : copy(ast, { types })
  })

/** Applies `f` to every node of a codec that a JSON value passes through, after the nodes below it. */
const rewrite = (root: SchemaAST.AST, f: (ast: SchemaAST.AST) => SchemaAST.AST): SchemaAST.AST => {
  const done = new Map<SchemaAST.AST, SchemaAST.AST>()
  const go = (ast: SchemaAST.AST): SchemaAST.AST => {
    const known = done.get(ast)
    if (known !== undefined) return known
    const out = f(rewriteBelow(ast, go))
    done.set(ast, out)
    return out
  }
  return go(root)
}

type Go = (ast: SchemaAST.AST) => SchemaAST.AST

const rewriteBelow = (ast: SchemaAST.AST, go: Go): SchemaAST.AST => {
  if (ast.encoding !== undefined) {
    const last = ast.encoding[ast.encoding.length - 1]!
    const to = go(last.to)
    return to === last.to
      ? ast
      : copy(ast, { encoding: [...ast.encoding.slice(0, -1), new SchemaAST.Link(to, last.transformation)] as never })
  }
  switch (ast._tag) {
    case "Objects": {
      const propertySignatures = mapOrSame(ast.propertySignatures, (property) => {
        const type = go(property.type)
        return type === property.type ? property : new SchemaAST.PropertySignature(property.name, type)
      })
      const indexSignatures = mapOrSame(ast.indexSignatures, (index) => {
        const type = go(index.type)
        return type === index.type ? index : new SchemaAST.IndexSignature(index.parameter, type)
      })
      return propertySignatures === ast.propertySignatures && indexSignatures === ast.indexSignatures
        ? ast
        : copy(ast, { propertySignatures, indexSignatures })
    }
    case "Arrays": {
      const elements = mapOrSame(ast.elements, go)
      const rest = mapOrSame(ast.rest, go)
      return elements === ast.elements && rest === ast.rest ? ast : copy(ast, { elements, rest })
    }
    case "Union": {
      const types = mapOrSame(ast.types, go)
      return types === ast.types ? ast : copy(ast, { types })
    }
    case "Suspend":
      return new SchemaAST.Suspend(() => go(ast.thunk()), ast.annotations, undefined, undefined, ast.context)
    default:
      return ast
  }
}

/** Effect copies its nodes in this way, but does not export it. */
export const copy = <A extends SchemaAST.AST>(ast: A, changes: Partial<A>): A =>
  Object.assign(Object.create(Object.getPrototypeOf(ast)), ast, changes)

const mapOrSame = <A>(as: ReadonlyArray<A>, f: (a: A) => A): ReadonlyArray<A> => {
  const out = as.map(f)
  return out.every((a, i) => a === as[i]) ? as : out
}

// Effect's JSON codec also accepts the strings "NaN", "Infinity" and "-Infinity", for which JSON has no numbers.
const isJsonNumber = (ast: SchemaAST.AST): boolean => {
  const end = ast.encoding?.[ast.encoding.length - 1]!.to
  return SchemaAST.isNumber(ast) && end !== undefined && SchemaAST.isUnion(end) && end.types.some(SchemaAST.isNumber)
}

/**
 * The members of a union, each restricted to the values that it uses most of. A union takes its first member that
 * decodes, which may know less of a value than a later one.
 */
const decided = (types: ReadonlyArray<SchemaAST.AST>): ReadonlyArray<SchemaAST.AST> => {
  const encoded = types.map(SchemaAST.toEncoded)
  // Large enums are unions too.
  if (encoded.filter(SchemaAST.isObjects).length < 2) return types
  const overlapping = encoded.map((a, i) => encoded.some((b, j) => i !== j && overlap(a, b)))
  if (!overlapping.includes(true)) return types
  const shapes = encoded.map(AstShape.make)
  const rivals = shapes.filter((_, i) => overlapping[i])
  return types.map((type, i) => {
    if (!overlapping[i]) return type
    // Of the value as it comes: a check of the member itself would see it without the keys that the member does not know.
    const usesMost = Schema.Unknown.check(Schema.makeFilter((json) => {
      const own = Shape.fit(shapes[i]!, json)
      return own === -1
        ? rivals.every((rival) => Shape.fit(rival, json) === -1) && Shape.knowsSome(shapes[i]!, json)
        : rivals.every((rival) => Shape.fit(rival, json) <= own)
    }, { message: lessFitting }))
    return SchemaAST.decodeTo(usesMost.ast, type, SchemaTransformation.passthrough())
  })
}

/** The issue of a member of a union that another one fits better: nothing to report. */
export const lessFitting = "Another member of the union uses more of the value"

/** Whether one object could be read as either of two members. */
const overlap = (a: SchemaAST.AST, b: SchemaAST.AST): boolean => {
  if (!SchemaAST.isObjects(a) || !SchemaAST.isObjects(b)) return false
  return !a.propertySignatures.some(({ name, type }) => {
    const other = b.propertySignatures.find((property) => property.name === name)
    return other !== undefined && !SchemaAST.isOptional(type) && !SchemaAST.isOptional(other.type) &&
      SchemaAST.isLiteral(type) && SchemaAST.isLiteral(other.type) && type.literal !== other.type.literal
  })
}
