/** Several providers behind one door. Each keeps its own limits, prices and dialect. */
import * as AiError from "effect/ai/AiError"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Dialect, SchemaDocument } from "../schema/Dialect.ts"
import { plain } from "../schema/dialects/plain.ts"
import type { Completion, CompletionPart } from "./Completion.ts"
import type { Llm } from "./Llm.ts"
import { LlmError, NotFoundError, type Reason } from "./LlmError.ts"
import type { JsonFormat, LlmRequest, Message } from "./LlmRequest.ts"
import type { Pricing } from "./Pricing.ts"

type Service = Llm["Service"]
type Services = Arr.NonEmptyReadonlyArray<Service>

/** Tries the next one where one cannot answer. */
export const fallback = (services: Services): Service => {
  const attempts = services.map((service, i) => attemptOf(service, i === 0 ? undefined : service.model))
  const complete = (request: LlmRequest, at: number): Effect.Effect<Completion, LlmError> => {
    const { send, service } = attempts[at]!
    const sent = Effect.flatMap(Effect.fromResult(send(request)), service.complete)
    return at === attempts.length - 1
      ? sent
      : sent.pipe(Effect.catch((error) => goesOn(error) ? complete(request, at + 1) : Effect.fail(error)))
  }
  const stream = (request: LlmRequest, at: number): Stream.Stream<CompletionPart, LlmError> => {
    const { send, service } = attempts[at]!
    return Stream.suspend(() => {
      let begun = false
      const sent = Stream.unwrap(Effect.map(Effect.fromResult(send(request)), service.stream)).pipe(
        Stream.map((part) => {
          begun = true
          return part
        })
      )
      if (at === attempts.length - 1) return sent
      // What has been emitted cannot be taken back.
      const elsewhere = (error: LlmError) => !begun && goesOn(error) ? stream(request, at + 1) : Stream.fail(error)
      return sent.pipe(Stream.catch(elsewhere))
    })
  }
  return joined(services, {
    complete: (request) => complete(request, 0),
    stream: (request) => stream(request, 0)
  })
}

/** Whether another provider may do what this one cannot, or could not after all retries. */
const goesOn = (error: LlmError): boolean =>
  error.reason._tag !== "BudgetExceededError" && (error.isUnrecoverable || error.isRetryable)

/** Sends each request to the provider whose prefix fits its model best. */
export const route = (routes: Arr.NonEmptyReadonlyArray<readonly [prefix: string, service: Service]>): Service => {
  const sorted = routes.toSorted(([a], [b]) => b.length - a.length).map(([prefix, service]) => {
    // A prefix with a slash at its end names a provider, and is no part of the model's name.
    const strips = prefix.endsWith("/") ? prefix.length : 0
    return { prefix, strips, attempt: attemptOf(service, undefined) }
  })
  const services = routes.map(([, service]) => service) as unknown as Services
  const [[firstPrefix, first]] = routes
  const find = (request: LlmRequest): Result.Result<readonly [Service, LlmRequest], LlmError> => {
    const found = sorted.find(({ prefix }) => request.model.startsWith(prefix))
    if (found === undefined) return Result.fail(unrouted(request.model, routes.map(([prefix]) => prefix)))
    const { attempt, strips } = found
    const model = request.model.slice(strips)
    return Result.map(
      attempt.send(strips === 0 ? request : { ...request, model }),
      (sent) => [attempt.service, sent] as const
    )
  }
  return {
    ...joined(services, {
      complete: (request) =>
        Effect.flatMap(Effect.fromResult(find(request)), ([service, sent]) => service.complete(sent)),
      stream: (request) =>
        Stream.unwrap(Effect.map(Effect.fromResult(find(request)), ([service, sent]) => service.stream(sent)))
    }),
    model: firstPrefix.endsWith("/") ? `${firstPrefix}${first.model}` : first.model
  }
}

const unrouted = (model: string, prefixes: ReadonlyArray<string>): LlmError =>
  new LlmError({
    provider: "route",
    reason: new NotFoundError({
      description: `no route for the model "${model}". The prefixes: ${
        prefixes.map((prefix) => JSON.stringify(prefix)).join(", ")
      }`
    })
  })

interface Attempt {
  readonly service: Service
  /** The request as the provider takes it, or why it cannot. */
  readonly send: (request: LlmRequest) => Result.Result<LlmRequest, LlmError>
}

/** Requests carry ordinary JSON Schema, which each provider gets in its own dialect. */
const attemptOf = (service: Service, model: string | undefined): Attempt => {
  const accept = memoize((output: JsonFormat) => accepted(output, service.dialect))
  return {
    service,
    send: (request) => {
      const named = model === undefined ? request : { ...request, model }
      const { output } = request
      if (output.mode !== "json_schema" && output.mode !== "tools") return Result.succeed(named)
      const format = accept(output)
      return Result.isFailure(format)
        ? Result.fail(new LlmError({ provider: service.provider, reason: format.failure }))
        : Result.succeed({
          ...named,
          output: format.success.output,
          messages: format.success.shown ? withSchema(named.messages, output) : named.messages
        })
    }
  }
}

const accepted = (
  output: JsonFormat,
  dialect: Dialect
): Result.Result<{ readonly output: JsonFormat; readonly shown: boolean }, Reason> => {
  const { $defs, ...schema } = output.jsonSchema
  const document = { schema, definitions: $defs ?? {} } as SchemaDocument
  return Result.match(dialect.accept(document), {
    onFailure: ({ description, path }) =>
      Result.fail(new AiError.UnsupportedSchemaError({ description: `at ${path}, ${description}` })),
    onSuccess: ({ jsonSchema, shown, strict }) =>
      Result.succeed({
        output: { ...output, jsonSchema: jsonSchema as JsonFormat["jsonSchema"], strict },
        shown: shown === true
      })
  })
}

const withSchema = (messages: ReadonlyArray<Message>, { jsonSchema }: JsonFormat): ReadonlyArray<Message> => {
  const text = `Answer with an instance of this JSON Schema:\n${JSON.stringify(jsonSchema)}`
  const [first, ...rest] = messages
  return first?.role === "system"
    ? [{ role: "system", content: `${first.content}\n\n${text}` }, ...rest]
    : [{ role: "system", content: text }, ...messages]
}

/** Copies the first service, so that what middleware marks on it is kept. */
const joined = (services: Services, send: Pick<Service, "complete" | "stream">): Service => ({
  ...services[0],
  provider: [...new Set(services.map(({ provider }) => provider))].join(","),
  origin: [...new Set(services.map(({ origin }) => origin))].join(" "),
  dialect: dialectOf(services),
  pricing: pricingOf(services),
  ...send
})

const dialectOf = (services: Services): Dialect => {
  const dialects = services.map(({ dialect }) => dialect)
  const limited = dialects.filter(({ modes }) => modes !== undefined)
  return {
    ...plain,
    name: [...new Set(dialects.map(({ name }) => name))].join(","),
    ...(limited.length > 0 && {
      modes: (model) => {
        const [first = [], ...others] = limited.map(({ modes }) => modes!(model))
        return first.filter((mode) => others.every((modes) => modes.includes(mode)))
      }
    })
  }
}

const pricingOf = (services: Services): Pricing => {
  const tables = services.map(({ pricing }) => pricing)
  return {
    asOf: tables.map(({ asOf }) => asOf).filter((date) => date !== "").toSorted()[0] ?? "",
    source: [...new Set(tables.map(({ source }) => source))].filter((source) => source !== "").join(" "),
    models: Object.assign({}, ...tables.toReversed().map(({ models }) => models))
  }
}
