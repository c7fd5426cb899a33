/** The rows of an input. */

/** A text to extract from, or why its line cannot be used. */
export type Row =
  | { readonly _tag: "Text"; readonly text: string; readonly id: string | undefined }
  | { readonly _tag: "Unusable"; readonly description: string }

export interface Fields {
  readonly text: string | undefined
  readonly id: string | undefined
}

export const defaultTextField = "text"

export const unusable = (description: string): Row => ({ _tag: "Unusable", description })

/** `where` is a line or an item with its number. */
export const usable = (text: string, id: string | undefined, where: string): Row =>
  text.trim() === "" ? unusable(`The text in ${where} is empty`) : { _tag: "Text", text, id }

export const listed = (names: ReadonlyArray<string>): string => {
  const shown = names.slice(0, 20).join(", ")
  return names.length === 0 ? "none" : names.length > 20 ? `${shown} and ${names.length - 20} more` : shown
}
