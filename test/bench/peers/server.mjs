/**
 * Answers Chat Completions as fast as Node can, for a simulator that checks what it is asked (`npm run bench --
 * --simulator`) costs more than the leanest clients. `server.mjs <latency in ms>` prints its port.
 */
import * as http from "node:http"

const latency = Number(process.argv[2] ?? 0)

const usage = {
  prompt_tokens: 80,
  completion_tokens: 12,
  total_tokens: 92,
  prompt_tokens_details: { cached_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0 }
}
const envelope = { id: "chatcmpl-1", created: 1_780_000_000, model: "gpt-5.4-mini", service_tier: "default" }

const headers = {
  "content-type": "application/json",
  "openai-processing-ms": "1",
  "openai-version": "2020-10-01",
  // Limits that hold nobody up: a client that keeps to them would be slower for it.
  "x-ratelimit-limit-requests": "1000000000",
  "x-ratelimit-limit-tokens": "100000000000",
  "x-ratelimit-remaining-requests": "999999999",
  "x-ratelimit-remaining-tokens": "99999999900",
  "x-ratelimit-reset-requests": "6ms",
  "x-ratelimit-reset-tokens": "3ms",
  "x-request-id": "req_0123456789abcdef"
}

/** The answer to what was asked, in the form it was asked for. */
const respond = (asked, response) => {
  const age = /and I am (\d+) years old/.exec(asked)?.[1] ?? "0"
  const one = `{"name":"John","age":${age}}`
  const content = asked.includes("\"items\":{") ? `{"items":[${one}]}` : one
  if (asked.includes("\"stream\":true")) {
    response.writeHead(200, { ...headers, "content-type": "text/event-stream" })
    const chunk = (delta, more) =>
      response.write(`data: ${
        JSON.stringify({
          ...envelope,
          object: "chat.completion.chunk",
          choices: [{ index: 0, delta, finish_reason: null }],
          ...more
        })
      }\n\n`)
    chunk({ role: "assistant", content: "" })
    chunk({ content: content.slice(0, 10) })
    chunk({ content: content.slice(10) })
    chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
    chunk({}, { choices: [], usage })
    return response.end("data: [DONE]\n\n")
  }
  const tool = /"tools":.*?"name":"(\w+)"/.exec(asked)?.[1]
  const message = tool === undefined
    ? { role: "assistant", content, refusal: null }
    : {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_1", type: "function", function: { name: tool, arguments: content } }]
    }
  const answer = JSON.stringify({
    ...envelope,
    object: "chat.completion",
    choices: [{ index: 0, message, logprobs: null, finish_reason: tool === undefined ? "stop" : "tool_calls" }],
    usage
  })
  response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(answer) })
  return response.end(answer)
}

const server = http.createServer((request, response) => {
  let asked = ""
  request.setEncoding("utf8").on("data", (chunk) => asked += chunk).on("end", () => {
    if (latency === 0) respond(asked, response)
    else setTimeout(respond, latency, asked, response)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", 5000, () => console.log(server.address().port))
