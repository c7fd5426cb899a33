/** The headers of a response, read from the record that undici gives. They are immutable, as those of `fetch` are. */

type HeaderRecord = Readonly<Record<string, string | Array<string> | undefined>>

export class ResponseHeaders implements Headers {
  readonly #record: HeaderRecord

  constructor(record: HeaderRecord) {
    this.#record = record
  }

  get(name: string): string | null {
    const value = this.#record[name.toLowerCase()]
    return value === undefined ? null : typeof value === "string" ? value : value.join(", ")
  }

  has(name: string): boolean {
    return this.#record[name.toLowerCase()] !== undefined
  }

  getSetCookie(): Array<string> {
    return [this.#record["set-cookie"] ?? []].flat()
  }

  *entries(): HeadersIterator {
    for (const name of Object.keys(this.#record)) {
      if (name !== "set-cookie") yield [name, this.get(name)!]
      else for (const cookie of this.getSetCookie()) yield [name, cookie]
    }
  }

  *keys(): HeadersIterator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): HeadersIterator<string> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): HeadersIterator {
    return this.entries()
  }

  forEach(callback: (value: string, key: string, self: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this)
  }

  append(): never {
    throw immutable()
  }

  delete(): never {
    throw immutable()
  }

  set(): never {
    throw immutable()
  }
}

type HeadersIterator<T = [string, string]> = ReturnType<Headers["entries"]> extends infer I
  ? T extends string ? ReturnType<Headers["keys"]> : I
  : never

const immutable = (): TypeError => new TypeError("The headers of a response are immutable")
