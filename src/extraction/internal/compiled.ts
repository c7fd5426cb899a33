export * from "../Compiled.ts"
