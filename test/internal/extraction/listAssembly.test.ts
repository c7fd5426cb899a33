import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { type Completion, Extraction } from "effect-instructor"
import * as Compiled from "../../../src/extraction/Compiled.ts"
import * as ListAssembly from "../../../src/extraction/internal/listAssembly.ts"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import { completion } from "../../support/completions.ts"

const limits = { maxLength: 1000, maxDepth: 10 }

const make = (options?: Extraction.Overrides, maxAttempts = 3) => {
  const numbers = Extraction.make({ schema: Schema.Array(Schema.Int), name: "numbers", ...options })
  const compiled = Result.getOrThrow(Compiled.make(numbers, openAi))
  return ListAssembly.make({
    compiled,
    element: Result.getOrThrow(Compiled.response(Extraction.make({ schema: Schema.Int }))),
    first: Result.getOrThrow(Compiled.toRequest(compiled, "text", "small")),
    maxAttempts
  })
}

type List = ReturnType<typeof make>

const finish = (options: Partial<Completion.Completion>): Completion.CompletionPart => ({
  _tag: "Finish",
  completion: completion(options)
})

/** Reads one answer, and returns what follows it. */
const answer = Effect.fnUntraced(function*(
  list: List,
  text: string,
  attempt: number,
  asked: ReadonlyArray<ListAssembly.Invalid> = [],
  options: Partial<Completion.Completion> = {}
) {
  const reading = ListAssembly.makeReading("items", limits, { asked })
  ListAssembly.read(list, reading, [{ _tag: "TextDelta", delta: text }, finish({ text, ...options })])
  yield* ListAssembly.settle(list, reading)
  return ListAssembly.conclude(list, reading, reading.completion!, attempt)
})

/** The elements that are final: the index with the value or, if it failed, the text. */
const taken = (list: List) => {
  const { out } = list
  list.out = []
  return out.map(({ index, result, text }) => [index, Result.isSuccess(result) ? result.success : text])
}

describe("listAssembly", () => {
  it.effect("is due when an element closes, at the end of the answer, and beyond a limit", () =>
    Effect.sync(() => {
      const list = make()
      const reading = ListAssembly.makeReading("items", { maxLength: 30, maxDepth: 10 }, { asked: [] })
      const due = (part: Completion.CompletionPart) => {
        ListAssembly.read(list, reading, [part])
        return ListAssembly.isDue(reading)
      }
      assert.isFalse(due({ _tag: "TextDelta", delta: "{\"items\":[1" }))
      assert.isTrue(due({ _tag: "TextDelta", delta: ",2" }))
      reading.texts = []
      assert.isFalse(due({ _tag: "TextDelta", delta: "3" }))
      assert.isTrue(due(finish({ text: "" })))
      reading.completion = undefined
      assert.isTrue(due({ _tag: "TextDelta", delta: " ".repeat(30) }))
      assert.strictEqual(reading.reader.exceeded, "maxLength")
    }))

  it.effect("completes with the elements in their order", () =>
    Effect.gen(function*() {
      const list = make()
      assert.deepStrictEqual(yield* answer(list, "{\"items\":[1,2]}", 1), { _tag: "Complete" })
      assert.deepStrictEqual(taken(list), [[0, 1], [1, 2]])
      assert.strictEqual(list.size, 2)
    }))

  it.effect("holds invalid elements back while attempts are left, and asks for them by their position", () =>
    Effect.gen(function*() {
      const list = make()
      const conclusion = yield* answer(list, "{\"items\":[1,\"x\",3,\"y\"]}", 1)
      assert.deepStrictEqual(taken(list), [[0, 1], [2, 3]])
      if (conclusion._tag !== "Reask") return assert.fail(conclusion._tag)
      assert.deepStrictEqual(conclusion.asked.map(({ index, position }) => [index, position]), [[1, 1], [3, 3]])
      const complaint = conclusion.request.messages.at(-1)!.content
      assert.include(complaint, "- items[1]: Expected number")
      assert.include(complaint, "- items[3]: Expected number")
      // The next answer contains only the two of them, at its positions 0 and 1.
      const second = yield* answer(list, "{\"items\":[2,\"z\"]}", 2, conclusion.asked)
      assert.deepStrictEqual(taken(list), [[1, 2]])
      if (second._tag !== "Reask") return assert.fail(second._tag)
      assert.deepStrictEqual(second.asked.map(({ index, position }) => [index, position]), [[3, 1]])
      // The request is the first one with one answer, not with both.
      assert.strictEqual(second.request.messages.length, conclusion.request.messages.length)
    }))

  it.effect("asks again for elements that an answer left out, without a position", () =>
    Effect.gen(function*() {
      const list = make()
      const first = yield* answer(list, "{\"items\":[\"x\",\"y\"]}", 1)
      if (first._tag !== "Reask") return assert.fail(first._tag)
      const second = yield* answer(list, "{\"items\":[1]}", 2, first.asked)
      if (second._tag !== "Reask") return assert.fail(second._tag)
      assert.deepStrictEqual(second.asked.map(({ index, position, text }) => [index, position, text]), [
        [1, undefined, "\"y\""]
      ])
      assert.include(second.request.messages.at(-1)!.content, "is missing: \"y\"")
    }))

  it.effect("asks for the rest of a list that broke off, after the elements to correct", () =>
    Effect.gen(function*() {
      const list = make()
      const first = yield* answer(list, "{\"items\":[1,\"x\",3", 1)
      if (first._tag !== "Reask") return assert.fail(first._tag)
      assert.isTrue(list.isOpen)
      assert.include(first.request.messages.at(-1)!.content, "then the elements that are still missing")
      assert.deepStrictEqual(yield* answer(list, "{\"items\":[2,3,4]}", 2, first.asked), { _tag: "Complete" })
      assert.deepStrictEqual(taken(list), [[0, 1], [1, 2], [2, 3], [3, 4]])
      assert.isFalse(list.isOpen)
    }))

  it.effect("fails without a reask when the answer contradicts itself or has too many elements", () =>
    Effect.gen(function*() {
      const contradictory = yield* answer(make(), "{\"items\":[1]} {\"items\":[2]}", 1)
      assert.isTrue(contradictory._tag === "Failed" && contradictory.reason._tag === "InvalidOutput")
      const list = make()
      const first = yield* answer(list, "{\"items\":[\"x\"]}", 1)
      if (first._tag !== "Reask") return assert.fail(first._tag)
      const second = yield* answer(list, "{\"items\":[1,2]}", 2, first.asked)
      if (second._tag !== "Failed" || second.reason._tag !== "InvalidOutput") return assert.fail(second._tag)
      assert.include(second.reason.message, "more elements than the 1 that were asked for")
      assert.deepStrictEqual(taken(list), [[0, 1]])
    }))

  it.effect("completes or fails when the attempts are used up, and gives the invalid elements up", () =>
    Effect.gen(function*() {
      const list = make({}, 1)
      assert.deepStrictEqual(yield* answer(list, "{\"items\":[1,\"x\"]}", 1), { _tag: "Complete" })
      assert.deepStrictEqual(taken(list), [[0, 1], [1, "\"x\""]])
      const open = make({}, 2)
      const first = yield* answer(open, "{\"items\":[\"x\",2", 1)
      if (first._tag !== "Reask") return assert.fail(first._tag)
      const second = yield* answer(open, "{\"items\":[\"y\",2", 2, first.asked)
      assert.strictEqual(second._tag, "Failed")
      assert.deepStrictEqual(taken(open), [])
      ListAssembly.giveUp(open)
      const [failed] = open.out
      assert.deepStrictEqual(taken(open), [[0, "\"y\""]])
      // Paths begin with the index in the list.
      assert.isTrue(
        Result.isFailure(failed!.result) && failed!.result.failure.issues.every(({ path }) => path[0] === 0)
      )
    }))

  it.effect("gives up the elements that were asked for when an answer breaks off", () =>
    Effect.gen(function*() {
      const list = make()
      const first = yield* answer(list, "{\"items\":[\"x\",\"y\"]}", 1)
      if (first._tag !== "Reask") return assert.fail(first._tag)
      const reading = ListAssembly.makeReading("items", limits, first)
      ListAssembly.read(list, reading, [{ _tag: "TextDelta", delta: "{\"items\":[1," }])
      yield* ListAssembly.settle(list, reading)
      ListAssembly.giveUp(list, reading)
      assert.deepStrictEqual(taken(list), [[0, 1], [1, "\"y\""]])
    }))

  it.effect("fails for the reason of an incomplete answer, unless the list in it is complete", () =>
    Effect.gen(function*() {
      const tagOf = (text: string, options: Partial<Completion.Completion>) =>
        Effect.map(
          answer(make(), text, 1, [], options),
          (conclusion) => conclusion._tag === "Failed" ? conclusion.reason._tag : conclusion._tag
        )
      assert.strictEqual(yield* tagOf("{\"items\":[1,", { finishReason: "length" }), "Truncated")
      assert.strictEqual(yield* tagOf("{\"items\":[1]}", { finishReason: "length" }), "Complete")
      assert.strictEqual(yield* tagOf("{\"items\":[1,", { finishReason: "content-filter" }), "ContentFiltered")
      assert.strictEqual(yield* tagOf("", { refusal: "No." }), "Refused")
    }))

  it.effect("reads the first of several tool calls, and ignores text next to it", () =>
    Effect.gen(function*() {
      const list = make({ mode: "tools" })
      const reading = ListAssembly.makeReading("items", limits, { asked: [] })
      ListAssembly.read(list, reading, [
        { _tag: "TextDelta", delta: "[7]" },
        { _tag: "ToolArgumentsDelta", index: 1, delta: "{\"items\":[1]}" },
        { _tag: "ToolArgumentsDelta", index: 2, delta: "{\"items\":[2]}" }
      ])
      yield* ListAssembly.settle(list, reading)
      assert.deepStrictEqual(taken(list), [[0, 1]])
      assert.include(reading.problem, "more than once")
    }))
})
