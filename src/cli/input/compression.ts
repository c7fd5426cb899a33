/** Inputs that are compressed with gzip or Zstandard, by their names. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import type * as Stream from "effect/Stream"
import * as Zlib from "node:zlib"
import { type CommandFailure, usage } from "../commandFailure.ts"

const suffixes = [
  [/\.gz$/i, "gzip", () => Zlib.createGunzip()],
  [/\.zst$/i, "Zstandard", () => Zlib.createZstdDecompress()]
] as const

const find = (path: string) => suffixes.find(([suffix]) => suffix.test(path))

export const isCompressed = (path: string): boolean => find(path) !== undefined

/** The name of the file inside: `texts.csv` of `texts.csv.gz`. */
export const innerName = (path: string): string => path.replace(find(path)?.[0] ?? /$^/, "")

/** The bytes of a file inside a compressed one, or the bytes as they are. */
export const decompress = (
  bytes: Stream.Stream<Uint8Array, CommandFailure>,
  path: string
): Stream.Stream<Uint8Array, CommandFailure> => {
  const found = find(path)
  if (found === undefined) return bytes
  const [, name, evaluate] = found
  return NodeStream.pipeThroughDuplex(bytes, {
    evaluate,
    onError: (error) =>
      usage(
        `Cannot read ${path}: it is not whole ${name} data: ${error instanceof Error ? error.message : String(error)}`
      )
  })
}
