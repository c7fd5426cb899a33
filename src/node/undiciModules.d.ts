/** The parts of undici that are used. Its index also loads `fetch`, WebSockets and caches, at ten times the time. */
declare module "undici/lib/dispatcher/client.js" {
  export { Client as default } from "undici"
}
declare module "undici/lib/dispatcher/env-http-proxy-agent.js" {
  export { EnvHttpProxyAgent as default } from "undici"
}
