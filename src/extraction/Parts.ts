/** The decoding of values that were put together, for engines that ask for several at once. */
export { decode } from "./internal/parts.ts"
