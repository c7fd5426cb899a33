/** The error of an extraction that failed before anything was sent, for rooms above. */
export { notSent } from "./internal/failure.ts"
