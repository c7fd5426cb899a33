/**
 * Whether an answer is in the ordinary form already, as nearly every answer is. Hot: it allocates nothing, and sends
 * everything that needs a second look to the normalizer.
 */
import * as Shape from "./shape.ts"

/** `levels` is how deep the value may be nested. */
export const isOrdinary = (shape: Shape.Shape, json: unknown, levels: number): boolean => {
  switch (shape._tag) {
    case "Literals":
      return shape.values.includes(json as string)
    case "Scalar":
      return typeof json === shape.kind
    case "Struct":
      return typeof json === "object" && json !== null && !Array.isArray(json) &&
        isStruct(shape, json as Shape.JsonObject, levels - 1)
    case "List":
      return Array.isArray(json) && isList(shape.element(), json, levels - 1)
    case "Union":
      return isUnion(shape, json, levels)
    case "Anything":
      return typeof json !== "object" || json === null
    case "Tuple":
      return false
  }
}

const isStruct = (
  { hasInheritedNames, list, others }: Shape.Struct,
  json: Shape.JsonObject,
  levels: number
): boolean => {
  if (hasInheritedNames || others !== undefined || levels < 0) return false
  let known = 0
  for (let i = 0; i < list.length; i++) {
    const property = list[i]!
    const value = json[property.name]
    if (value === undefined) continue
    known++
    if (value === null && property.nullIsMissing || !isOrdinary(property.shape(), value, levels)) return false
  }
  // Counted without a list of keys: JSON.parse gives objects without inherited ones.
  let count = 0
  for (const _ in json) count++
  return count === known
}

const isList = (element: Shape.Shape, json: ReadonlyArray<unknown>, levels: number): boolean => {
  if (levels < 0) return false
  for (let i = 0; i < json.length; i++) if (!isOrdinary(element, json[i], levels)) return false
  return true
}

/** With several candidates, which one is meant takes a closer look, except for scalars. */
const isUnion = ({ byKind }: Shape.Union, json: unknown, levels: number): boolean => {
  const candidates = byKind[Shape.kindOf(json)]
  if (candidates.length === 1) return isOrdinary(candidates[0]!, json, levels)
  return typeof json !== "object" && candidates.some((candidate) => isOrdinary(candidate, json, levels))
}
