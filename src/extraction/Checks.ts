/** The checks of an extraction, for engines that restore values. */
export { runPlain } from "./internal/check.ts"
