/** The shape of a schema's encoded side. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as External from "./external.ts"
import * as JsonShape from "./jsonShape.ts"
import * as Shape from "./shape.ts"

/** The shape of an encoded AST. */
export const make = (root: SchemaAST.AST): Shape.Shape => {
  const done = new Map<SchemaAST.AST, Shape.Shape>()
  const later = (ast: SchemaAST.AST) => (): Shape.Shape => {
    let shape = done.get(ast)
    if (shape === undefined) {
      shape = shapeOf(ast, later)
      done.set(ast, shape)
    }
    return shape
  }
  return later(root)()
}

const shapeOf = (ast: SchemaAST.AST, later: (ast: SchemaAST.AST) => () => Shape.Shape): Shape.Shape => {
  switch (ast._tag) {
    case "Suspend":
      return later(ast.thunk())()
    case "Null":
      return { _tag: "Literals", values: [null] }
    case "Literal":
      return Predicate.isBigInt(ast.literal) ? Shape.anything : { _tag: "Literals", values: [ast.literal] }
    case "Enum":
      return { _tag: "Literals", values: ast.enums.map(([, value]) => value) }
    case "String":
    case "TemplateLiteral":
      return scalar("string", ast)
    case "Number":
      return scalar("number", ast)
    case "Boolean":
      return scalar("boolean", ast)
    case "Arrays":
      return list(ast, later)
    case "Objects":
      return struct(ast, later)
    case "Union":
      return Shape.union(ast.types.map((type) => later(type)()))
    default: {
      const document = External.documentOf(ast)
      return document === undefined ? Shape.anything : JsonShape.make(document)
    }
  }
}

const scalar = (kind: Shape.Scalar["kind"], ast: SchemaAST.AST): Shape.Scalar => ({
  _tag: "Scalar",
  kind,
  accepts: ast.checks === undefined && ast._tag !== "TemplateLiteral"
    ? (json) => typeof json === kind
    : Schema.is(Schema.make<Schema.Top>(ast))
})

const list = ({ elements, rest }: SchemaAST.Arrays, later: (ast: SchemaAST.AST) => () => Shape.Shape): Shape.Shape => {
  const [first] = rest.length > 1 ? [new SchemaAST.Union(rest)] : rest
  return elements.length === 0 && first !== undefined
    ? { _tag: "List", element: later(first) }
    : {
      _tag: "Tuple",
      elements: elements.map((element) => ({ shape: later(element), isOptional: SchemaAST.isOptional(element) })),
      rest: first && later(first)
    }
}

const struct = (ast: SchemaAST.Objects, later: (ast: SchemaAST.AST) => () => Shape.Shape): Shape.Shape => {
  if (ast.propertySignatures.some(({ name }) => Predicate.isSymbol(name)) || ast.indexSignatures.length > 1) {
    return Shape.anything
  }
  const [index] = ast.indexSignatures
  if (ast.propertySignatures.length === 0 && index === undefined) return Shape.anything
  const list = ast.propertySignatures.map(({ name, type }): Shape.Property => ({
    name: String(name),
    shape: later(type),
    isOptional: SchemaAST.isOptional(type),
    nullIsMissing: SchemaAST.isOptional(type) && !acceptsNull(type, new Set())
  }))
  return Shape.struct(list, index && later(index.type))
}

const acceptsNull = (ast: SchemaAST.AST, seen: Set<SchemaAST.AST>): boolean => {
  if (seen.has(ast)) return false
  seen.add(ast)
  switch (ast._tag) {
    case "Null":
    case "Any":
    case "Unknown":
    case "Declaration":
      return true
    case "Literal":
      return ast.literal === null
    case "Union":
      return ast.types.some((type) => acceptsNull(type, seen))
    case "Suspend":
      return acceptsNull(ast.thunk(), seen)
    default:
      return false
  }
}
