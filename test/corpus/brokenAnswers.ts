/**
 * Answers that models break, each with the outcome that it must have: the whole value, or a refusal. Values and outcomes
 * are known by construction, and not by reading the answer.
 */
import { Schema } from "effect"

/** A schema, and a value as a model would write it. */
interface Subject {
  readonly name: string
  readonly schema: Schema.ConstraintDecoder<unknown>
  readonly json: Schema.JsonObject
  /** What it decodes to, if that is something else. */
  readonly value?: unknown
}

export interface Case {
  readonly name: string
  readonly subject: Subject
  readonly text: string
  /** Refused if there is none. */
  readonly value?: unknown
}

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const Place = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  address: Schema.optionalKey(Schema.Struct({ city: Schema.optionalKey(Schema.String) }))
})
const Order = Schema.Struct({
  id: Schema.String,
  placed: Schema.DateFromString,
  status: Schema.Literals(["open", "paid", "sent back"]),
  paid: Schema.Boolean,
  total: Schema.Finite,
  note: Schema.NullOr(Schema.String),
  lines: Schema.Array(Schema.Struct({ sku: Schema.String, amount: Schema.Int, tags: Schema.Array(Schema.String) }))
})
const Shape = Schema.Struct({
  shape: Schema.Union([
    Schema.Struct({ kind: Schema.Literal("circle"), radius: Schema.Finite }),
    Schema.Struct({ kind: Schema.Literal("box"), width: Schema.Finite, height: Schema.Finite })
  ])
})
const Contact = Schema.Struct({
  contact: Schema.Union([
    Schema.Struct({ email: Schema.optionalKey(Schema.String) }),
    Schema.Struct({ phone: Schema.String, country: Schema.optionalKey(Schema.String) })
  ])
})
const Counts = Schema.Struct({ counts: Schema.Record(Schema.String, Schema.Int) })
const Pair = Schema.Struct({ pair: Schema.Tuple([Schema.Finite, Schema.String]) })
interface Tree {
  readonly label: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  label: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})
const Text = Schema.Struct({ title: Schema.String, text: Schema.String })

const order = {
  id: "A-17/3",
  placed: "2026-02-28T10:00:00.000Z",
  status: "sent back",
  paid: false,
  total: 1204.5,
  note: null,
  lines: [{ sku: "x", amount: 2, tags: [] }, { sku: "y-1", amount: 10, tags: ["red", "large"] }]
}

const subjects: ReadonlyArray<Subject> = [
  { name: "a person", schema: Person, json: { name: "Ada", age: 36 } },
  { name: "a name with quotes", schema: Person, json: { name: "Dwayne \"The Rock\" Johnson", age: 52 } },
  { name: "a name with an apostrophe", schema: Person, json: { name: "Peter O'Toole", age: 81 } },
  { name: "a name with brackets", schema: Person, json: { name: "x {y} [z", age: 1 } },
  { name: "optional keys", schema: Place, json: { name: "Eiffel Tower", address: { city: "Paris" } } },
  { name: "an order", schema: Order, json: order, value: { ...order, placed: new Date(order.placed) } },
  { name: "a tagged union", schema: Shape, json: { shape: { kind: "box", width: 2, height: 0.5 } } },
  { name: "an untagged union", schema: Contact, json: { contact: { phone: "+33 1", country: "FR" } } },
  { name: "a record", schema: Counts, json: { counts: { apples: 3, "green pears": 0 } } },
  { name: "a tuple", schema: Pair, json: { pair: [48.85, "Paris"] } },
  {
    name: "a recursive value",
    schema: Tree,
    json: {
      label: "a",
      children: [{ label: "b", children: [] }, { label: "c", children: [{ label: "d", children: [] }] }]
    }
  },
  { name: "a Windows path", schema: Text, json: { title: "path", text: "C:\\Program Files\\new\\table" } },
  { name: "a URL", schema: Text, json: { title: "link", text: "https://example.com/a//b?c=[1]&d={2}#e" } },
  {
    name: "source code",
    schema: Text,
    json: { title: "code", text: "if (a) { return \"}\" } // [done]\n/* x */\tend" }
  },
  { name: "Markdown", schema: Text, json: { title: "docs", text: "Use:\n```json\n{\"a\": 1}\n```\nor `b`" } },
  { name: "other scripts", schema: Text, json: { title: "Größe — 東京", text: "שלום, мир 🌍 \u2028 “quoted” ‘so’" } },
  {
    name: "words that look like JSON",
    schema: Text,
    json: { title: "null", text: "true, false, None, 12e5, NaN, undefined" }
  },
  { name: "empty texts", schema: Text, json: { title: "", text: "" } }
]

/** Ways to write a whole answer that leave one reading. */
const readable: Readonly<Record<string, (json: string, pretty: string, subject: Subject) => string | undefined>> = {
  "as it is": (json) => json,
  "indented": (_, pretty) => pretty,
  "with white space around it": (json) => `\n\n  ${json} \t\n`,
  "with a byte order mark": (json) => `\uFEFF${json}`,
  "with Windows line breaks": (_, pretty) => pretty.replaceAll("\n", "\r\n"),
  "in a fenced block": (_, pretty) => `\`\`\`json\n${pretty}\n\`\`\``,
  "in a fenced block without a language": (json) => `\`\`\`\n${json}\n\`\`\``,
  "in a fenced block in capitals": (json) => `\`\`\`JSON\n${json}\n\`\`\``,
  "in a fenced block on one line": (json) => `\`\`\`json ${json} \`\`\``,
  "in a fenced block without an end": (_, pretty) => `\`\`\`json\n${pretty}\n`,
  "in a fenced block in prose": (_, pretty) =>
    `Sure! Here is the result:\n\n\`\`\`json\n${pretty}\n\`\`\`\n\nAnything else?`,
  "after prose": (json) => `Here is what I found in the text: ${json}`,
  "before prose": (json) => `${json}\n\nI hope that helps.`,
  "before prose with a footnote": (json) => `${json}\n\nSee [this note] for {more}.`,
  "after prose with brackets": (json) => `The options [as listed] and {others} do not apply.\n${json}`,
  "in quotes": (json) => `The answer is “${json}”.`,
  "in XML": (json) => `<result>\n${json}\n</result>`,
  "in a call": (json) => `submit(${json})`,
  "in bold": (json) => `**${json}**`,
  "as an item of a list": (json) => `- ${json}`,
  "after reasoning": (json) => `<think>\nThe text says so. I will answer.\n</think>\n${json}`,
  "after reasoning with a draft": (json) =>
    `<think>perhaps {"name": "Bob", "age": 1, "title": "no", "label": "no"}?</think>${json}`,
  "after reasoning with a broken draft": (json) => `<thinking>e.g. {"name": "Bo\n[1, {</thinking>\n\n${json}`,
  "after reasoning without an opening tag": (json) => `The user wants a value {like this}.</think>\n${json}`,
  "with a trailing comma": (json) => `${json.slice(0, -1)},}`,
  "with a trailing comma on its own line": (_, pretty) => `${pretty.slice(0, -2)},\n}`,
  "with a comment before it": (json) => `// the extracted value\n${json}`,
  "with a comment inside": (_, pretty) => pretty.replace("{\n", "{\n  // as in the text\n"),
  "with a block comment inside": (_, pretty) => pretty.replace("{\n", "{ /* as in the text */\n"),
  "with keys without quotes": (_, pretty) => bareKeys(pretty),
  "with keys in single quotes": (_, pretty) => pretty.replace(/^(\s*)"(\w+)":/gm, "$1'$2':"),
  "in Python": (_json, _pretty, { json }) =>
    JSON.stringify(json).includes("'") || /[\\“"]/.test(strings(json)) ? undefined : python(json)
}

/** Ways to lose or confuse a part of an answer. None may lead to a value. */
const unreadable: Readonly<Record<string, (json: string, pretty: string, subject: Subject) => string | undefined>> = {
  "without its last brace": (json) => json.slice(0, -1),
  "cut in the middle": (json) => json.slice(0, Math.floor(json.length / 2)),
  "cut after a third": (json) => json.slice(0, Math.floor(json.length / 3)),
  "cut after the first key": (json) => json.slice(0, json.indexOf(":") + 1),
  "cut before the end of a fenced block": (_, pretty) => `\`\`\`json\n${pretty.slice(0, -4)}\n`,
  "cut in prose": (json) => `Here it is: ${json.slice(0, -2)}`,
  "cut, with prose after it": (_, pretty) => `${pretty.slice(0, -2)}\n\nI hope that helps.`,
  "cut after reasoning": (json) => `<think>the value is {"name": "Bob", "age": 1}</think>\n${json.slice(0, -1)}`,
  "in reasoning that does not end": (json) => `<think>\nIt could be ${json}`,
  "without its first brace": (json) => json.slice(1),
  "without the quote at the start of a key": (json) => json.replace("{\"", "{").replace("\":", "\" :"),
  "without the quote at the end of a key": (json) => json.replace("\":", ":"),
  "without a colon": (json) => json.replace("\":", "\""),
  "with an ellipsis": (json) => `${json.slice(0, -1)}, ...}`,
  "with an ellipsis for a value": (json) => json.replace(/:.*$/s, ": ...}"),
  "with an unknown word for a value": (json) => json.replace(/:.*$/s, ": undefined}"),
  "with a number that is none": (json) => json.replace(/:.*$/s, ": NaN}"),
  "with text after its first value": (json) => json.replace(/:/, ": x"),
  "with an unclosed string": (json) => `${json.slice(0, -1)}, "more": "…}`,
  "twice with different values": (json) => `${json} {"name": "Bob", "age": 1}`,
  "followed by more of it": (json) => `${json}, "more": 1}`,
  "as one of several in a list": (json) => `[${json}, ${json}]`,
  "as a piece of another object": (json) => `{"type": "error", "attempt": ${json}`,
  "as an error": () => `{"error": {"code": 500, "message": "no value"}}`,
  "as an empty object": (_, __, { name }) => name === "optional keys" ? undefined : "{}",
  "as null": () => "null",
  "as prose": () => "I could not find any value in the text.",
  "as the schema": () => `{"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}`,
  "as nothing": () => "",
  "as brackets only": () => "[ { ( ) } ]"
}

const bareKeys = (pretty: string): string => pretty.replace(/^(\s*)"([A-Za-z_]\w*)":/gm, "$1$2:")

const strings = (json: unknown): string =>
  typeof json === "string"
    ? json
    : typeof json === "object" && json !== null
    ? Object.values(json).map(strings).join("")
    : ""

const python = (json: unknown): string => {
  if (json === null) return "None"
  if (typeof json === "boolean") return json ? "True" : "False"
  if (typeof json === "string") return `'${json}'`
  if (Array.isArray(json)) return `[${json.map(python).join(", ")}]`
  return typeof json === "object"
    ? `{${Object.entries(json).map(([key, value]) => `'${key}': ${python(value)}`).join(", ")}}`
    : JSON.stringify(json)
}

const combined: ReadonlyArray<Case> = subjects.flatMap((subject) => {
  const [json, pretty] = [JSON.stringify(subject.json), JSON.stringify(subject.json, undefined, 2)]
  const value = subject.value ?? subject.json
  const cases = (ways: typeof readable, outcome: { readonly value?: unknown }) =>
    Object.entries(ways).flatMap(([name, write]): ReadonlyArray<Case> => {
      const text = write(json, pretty, subject)
      return text === undefined ? [] : [{ name: `${subject.name} ${name}`, subject, text, ...outcome }]
    })
  const cuts = Array.from({ length: 20 }, (_, i) => Math.floor((i + 0.5) * (json.length - 1) / 20))
  return [
    ...cases(readable, { value }),
    ...cases(unreadable, {}),
    ...cuts.map((at): Case => ({ name: `${subject.name} cut at ${at}`, subject, text: json.slice(0, at) }))
  ]
})

const Optional = Schema.Struct({ name: Schema.optionalKey(Schema.String), city: Schema.optionalKey(Schema.String) })
const Number = Schema.Struct({ n: Schema.Finite })
const Flag = Schema.Struct({ yes: Schema.Boolean })
const Size = Schema.Struct({ size: Schema.Literals(["S", "M", "XL", "Extra Large"]) })
const Level = Schema.Struct({ level: Schema.Literals([1, 2, 10]) })
const Tags = Schema.Struct({ tags: Schema.Array(Schema.String) })
const Day = Schema.Struct({ day: Schema.DateFromString })
const Either = Schema.Struct({ either: Schema.Union([Schema.Finite, Schema.Boolean]) })
const Loose = Schema.Struct({ either: Schema.Union([Schema.String, Schema.Finite]) })
const Wide = Schema.Union([
  Schema.Struct({ a: Schema.optionalKey(Schema.String) }),
  Schema.Struct({ b: Schema.String })
])
const Measure = Schema.Union([Schema.Struct({ unit: Schema.String, value: Schema.String }), Schema.String])
const Quantity = Schema.Union([Schema.Struct({ unit: Schema.String, value: Schema.Finite }), Schema.String])
const Keys = Schema.Struct({ firstName: Schema.String, last_name: Schema.optionalKey(Schema.String) })
const Null = Schema.Struct({ a: Schema.optionalKey(Schema.NullOr(Schema.Int)), b: Schema.optionalKey(Schema.Int) })

/** One answer at a time: what a schema makes of it, where the way in which it is written is not the question. */
const single: ReadonlyArray<readonly [schema: Schema.ConstraintDecoder<unknown>, text: string, outcome?: unknown]> = [
  // A piece of an answer is not the answer.
  [Place, `{"name":"Ada","address":{"city":"Paris"},"x`],
  [Place, `{"name":"Ada 5" tall","address":{"city":"Paris"}}`],
  [Place, `{"result":{"name":"Ada"}}`, { name: "Ada" }],
  [Place, `{"first":{"name":"Ada"},"second":{"name":"Bob"}}`],
  [Place, `{"address":{"city":"Paris"}}`, { address: { city: "Paris" } }],
  [Place, `{"address":{"town":"Paris"}}`],
  [Place, `{}`, {}],
  [Person, `{"name":"Ada","age":36}}`, { name: "Ada", age: 36 }],
  [Person, "```json\n{\"name\":\"Ada\",\"age\":36}\n}\n```", { name: "Ada", age: 36 }],
  [Place, `{"name":"Ada","address":{"city":"Paris"}}}`],
  [Place, `{"nom":"Ada"}`],
  [Place, `[]`],
  [Place, `"Ada"`],
  [Number, `<think>e.g. {"n": 9}</think>\n{"n": 1,}`, { n: 1 }],
  [Number, `{"n": 9} or rather {"n": 1}`, { n: 1 }],
  [Number, `{"n": 9}\n{"n": 1}`],
  [Number, `{"n": 9, "because": {"n": 1}`],
  [Number, `n is 1`],
  // Numbers as text.
  [Number, `{"n": "12"}`, { n: 12 }],
  [Number, `{"n": "-1.5e3"}`, { n: -1500 }],
  [Number, `{"n": " 12 "}`, { n: 12 }],
  [Number, `{"n": "1,234,567"}`, { n: 1234567 }],
  [Number, `{"n": "1,234.5"}`, { n: 1234.5 }],
  [Number, `{"n": "1.234.567,5"}`, { n: 1234567.5 }],
  [Number, `{"n": "1 234,5"}`],
  [Number, `{"n": "1,234"}`],
  [Number, `{"n": "1.234"}`, { n: 1.234 }],
  [Number, `{"n": "12 km"}`],
  [Number, `{"n": "$12"}`],
  [Number, `{"n": "twelve"}`],
  [Number, `{"n": ""}`],
  [Number, `{"n": "0x10"}`],
  [Number, `{"n": "1e999"}`],
  [Number, `{"n": "NaN"}`],
  [Number, `{"n": "Infinity"}`],
  [Number, `{"n": 1e999}`],
  [Number, `{"n": "12345678901234567890"}`],
  [Number, `{"n": true}`],
  [Number, `{"n": null}`],
  [Number, `{"n": [1]}`],
  [Schema.Struct({ n: Schema.Int }), `{"n": 1.5}`],
  [Schema.Struct({ n: Schema.Int }), `{"n": "1.5"}`],
  [Schema.Struct({ n: Schema.Int }), `{"n": 1.0}`, { n: 1 }],
  [Schema.Struct({ n: Schema.String }), `{"n": 12}`],
  [Schema.Struct({ n: Schema.String }), `{"n": "12"}`, { n: "12" }],
  [Schema.Struct({ n: Schema.String }), `{"n": true}`],
  // Booleans as text.
  [Flag, `{"yes": "true"}`, { yes: true }],
  [Flag, `{"yes": "False"}`, { yes: false }],
  [Flag, `{"yes": "yes"}`],
  [Flag, `{"yes": 1}`],
  [Flag, `{"yes": "1"}`],
  [Flag, `{"yes": null}`],
  // Literals.
  [Size, `{"size": "s"}`, { size: "S" }],
  [Size, `{"size": " xl "}`, { size: "XL" }],
  [Size, String.raw`{"size": "\"M\""}`, { size: "M" }],
  [Size, `{"size": "extra large"}`, { size: "Extra Large" }],
  [Size, `{"size": "L"}`],
  [Size, `{"size": "S or M"}`],
  [Size, `{"size": ["S"]}`],
  [Size, `{"size": ""}`],
  [Level, `{"level": "2"}`, { level: 2 }],
  [Level, `{"level": 10}`, { level: 10 }],
  [Level, `{"level": "10.0"}`],
  [Level, `{"level": 3}`],
  // Lists.
  [Tags, `{"tags": "red"}`, { tags: ["red"] }],
  [Tags, `{"tags": []}`, { tags: [] }],
  [Tags, `{"tags": null}`],
  [Tags, `{"tags": {"0": "red"}}`],
  [Tags, `{"tags": [["red"]]}`],
  [Tags, `{"tags": ["red", 1]}`],
  // Dates that exist, in ISO 8601.
  [Day, `{"day": "2024-02-29"}`, { day: new Date("2024-02-29") }],
  [Day, `{"day": "2024-02-29T23:59:59Z"}`, { day: new Date("2024-02-29T23:59:59Z") }],
  [Day, `{"day": "2024-02-29T12:00:00+02:00"}`, { day: new Date("2024-02-29T10:00:00Z") }],
  [Day, `{"day": "2024-02-30"}`],
  [Day, `{"day": "2023-02-29"}`],
  [Day, `{"day": "05/06/2024"}`],
  [Day, `{"day": "next 4"}`],
  [Day, `{"day": "June 5, 2024"}`],
  [Day, `{"day": "2024-13-01"}`],
  [Day, `{"day": "2024-01-01T25:00:00Z"}`],
  [Day, `{"day": 1704067200000}`],
  [Day, `{"day": ""}`],
  // Unions: the member that uses most of the value, and no guess between two.
  [Either, `{"either": 1}`, { either: 1 }],
  [Either, `{"either": "1"}`, { either: 1 }],
  [Either, `{"either": "true"}`, { either: true }],
  [Either, `{"either": "maybe"}`],
  [Loose, `{"either": "1"}`, { either: "1" }],
  [Loose, `{"either": 1}`, { either: 1 }],
  [Wide, `{"value":{"b":"y"}}`, { b: "y" }],
  [Wide, `{"b":"y"}`, { b: "y" }],
  [Wide, `{"value":{"a":"x"}}`, { a: "x" }],
  [Wide, `{"value":{"c":"x"}}`],
  [Measure, `{"unit":"kg","value":"3"}`, { unit: "kg", value: "3" }],
  [Quantity, `{"unit":"kg","value":"3"}`, { unit: "kg", value: 3 }],
  [Quantity, `{"unit":"kg","value":"heavy"}`],
  [Quantity, `{"value":"3"}`, "3"],
  [Quantity, `{"value":"3","note":"three"}`],
  [Wide, `{"value":{"b":"y"},"note":"x"}`, { b: "y" }],
  [Measure, `{"value":{"unit":"kg","value":"3"}}`, { unit: "kg", value: "3" }],
  [Measure, `{"value":"3"}`, "3"],
  [Contact, `{"contact": {"email": "a@b.c", "phone": "1", "country": "FR"}}`, {
    contact: { phone: "1", country: "FR" }
  }],
  [Contact, `{"contact": {"email": "a@b.c"}}`, { contact: { email: "a@b.c" } }],
  [Contact, `{"contact": {"fax": "1"}}`],
  [Shape, `{"shape": {"kind": "circle", "width": 2, "height": 1}}`],
  [Shape, `{"shape": {"kind": "CIRCLE", "radius": "2"}}`, { shape: { kind: "circle", radius: 2 } }],
  [Shape, `{"shape": {"radius": 2}}`],
  // Keys in another case, where only one can be meant.
  [Keys, `{"firstname": "Ada"}`, { firstName: "Ada" }],
  [Keys, `{"FIRST_NAME": "Ada", "LastName": "Lovelace"}`, { firstName: "Ada", last_name: "Lovelace" }],
  [Keys, `{"first_name": "Ada", "First-Name": "Bob"}`],
  [Keys, `{"name": "Ada"}`],
  // Null that means something, and null for what is missing.
  [Null, `{"a": null, "b": null}`, { a: null }],
  [Null, `{"a": 1}`, { a: 1 }],
  [Optional, `{"name": null, "city": "Paris"}`, { city: "Paris" }],
  [Optional, `{"valueOf": 1}`],
  [Optional, `{"__proto__": {"name": "Ada"}}`, { name: "Ada" }],
  [Optional, `{"constructor": {"name": "Ada"}}`, { name: "Ada" }],
  [Schema.Struct({ valueOf: Schema.optionalKey(Schema.String), a: Schema.Int }), `{"a": 1}`, { a: 1 }],
  // Records and tuples in either form.
  [Counts, `{"counts": [{"key": "a", "value": 1}]}`, { counts: { a: 1 } }],
  [Counts, `{"counts": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]}`],
  [Counts, `{"counts": []}`, { counts: {} }],
  [Counts, `{"counts": {"a": "1"}}`, { counts: { a: 1 } }],
  [Counts, `{"counts": {"a": "one"}}`],
  [Pair, `{"pair": {"0": 1, "1": "x"}}`, { pair: [1, "x"] }],
  [Pair, `{"pair": [1]}`],
  [Pair, `{"pair": [1, "x", 2]}`],
  // Wrapped values, with the wrapper or without it.
  [Schema.Array(Schema.Int), `{"items": [1, 2]}`, [1, 2]],
  [Schema.Array(Schema.Int), `[1, 2]`, [1, 2]],
  [Schema.Array(Schema.Int), `[1, 2`],
  [Schema.Array(Schema.Int), `{"items": [1, 2]`],
  [Schema.String, `{"value": "x"}`, "x"],
  [Schema.Int, `{"value": 7}`, 7],
  [Schema.Int, "The answer:\n```\n42\n```", 42],
  [Schema.Int, `42`, 42],
  [Schema.Int, `about 42`],
  // Strings that have lost a quote, a backslash or a part.
  [Text, String.raw`{"title": "x", "text": "C:\\Users"}`, { title: "x", text: "C:\\Users" }],
  [Text, String.raw`{"title": "x", "text": "C:\\Program Files\\"}`, { title: "x", text: "C:\\Program Files\\" }],
  [Text, String.raw`{"title": "x", "text": "C:\Program Files"}`],
  [Text, `{"title": "x", "text": """print(1)"""}`, { title: "x", text: "print(1)" }],
  [Text, `{'title': 'x', 'text': 'it's'}`],
  [Text, `{"title": "x", "text": say (hello)}`],
  [Text, `{"title": "say "hi"", "text": ""}`],
  [Text, `{"title": "x", "text": "a" + "b"}`],
  [Text, `{"title": "x", "text": "line one\nline two\nline three"}`, {
    title: "x",
    text: "line one\nline two\nline three"
  }],
  [Text, `{"title": "x" "text": "y"}`, { title: "x", text: "y" }]
]

export const cases: ReadonlyArray<Case> = [
  ...combined,
  ...single.map(([schema, text, ...outcome], i): Case => ({
    name: `answer ${i}`,
    subject: { name: "", schema, json: {} },
    text,
    ...(outcome.length > 0 && { value: outcome[0] })
  }))
]
