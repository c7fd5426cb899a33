/** The one place that knows Ajv. Only `validator.ts` imports it, when a schema is first used. */
import addFormats from "ajv-formats"
import type { ErrorObject } from "ajv/dist/2020.js"
import { Ajv2020 } from "ajv/dist/2020.js"
import type { Node } from "./jsonSchema.ts"
import * as Keywords from "./keywords.ts"

export interface Problem {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

const regExp = Object.assign((pattern: string) => Keywords.toRegExp(pattern), { code: "new RegExp" })

/** Compiles a document that `document.ts` has made. */
export const compile = (document: Node): (json: unknown) => ReadonlyArray<Problem> => {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: false,
    validateSchema: false,
    meta: false,
    logger: false,
    ownProperties: true,
    code: { regExp }
  })
  addFormats.default(ajv)
  const validate = ajv.compile(document)
  return (json) => validate(json) ? [] : problems(json, validate.errors ?? [])
}

/** Errors of branches say more than that no branch matches. */
const summaries = new Set(["anyOf", "if", "propertyNames"])

const problems = (json: unknown, errors: ReadonlyArray<ErrorObject>): ReadonlyArray<Problem> => {
  const leaves = errors.filter(({ keyword }) => !summaries.has(keyword))
  const all = (leaves.length === 0 ? errors : leaves).map((error) => problem(json, error))
  return Array.from(new Map(all.map((one) => [JSON.stringify(one), one])).values())
}

const problem = (json: unknown, { instancePath, keyword, message, params, schema }: ErrorObject): Problem => {
  const path = pathOf(json, instancePath)
  switch (keyword) {
    case "required":
      return { path: [...path, String(params["missingProperty"])], message: "Missing key" }
    case "additionalProperties":
      return { path: [...path, String(params["additionalProperty"])], message: "Unexpected key" }
    case "unevaluatedProperties":
      return { path: [...path, String(params["unevaluatedProperty"])], message: "Unexpected key" }
    case "type":
      return { path, message: `Expected ${[params["type"]].flat().join(" or ")}` }
    case "const":
      return { path, message: `Expected ${JSON.stringify(params["allowedValue"])}` }
    case "enum":
      return {
        path,
        message: `Expected ${(params["allowedValues"] as Array<unknown>).map((v) => JSON.stringify(v)).join(" | ")}`
      }
    case "pattern":
      return { path, message: `Expected a text that matches ${String(params["pattern"])}` }
    case "format":
      return { path, message: `Expected a text in the format ${String(params["format"])}` }
    case "oneOf":
      return { path, message: "Expected a value that matches exactly one of the alternatives" }
    case "not":
      return {
        path,
        message: Object.keys(schema as object).length === 0
          ? "Unexpected key"
          : `Expected a value that does not match ${JSON.stringify(schema)}`
      }
    default:
      return { path, message: `Invalid value: it ${message ?? "is not valid"}` }
  }
}

/** A JSON pointer as a path. The digits of a list are numbers. */
const pathOf = (json: unknown, pointer: string): ReadonlyArray<string | number> => {
  let value = json
  return pointer.split("/").slice(1).map((token) => {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~")
    const segment = Array.isArray(value) ? Number(key) : key
    value = (value as Record<string | number, unknown> | undefined)?.[segment]
    return segment
  })
}
