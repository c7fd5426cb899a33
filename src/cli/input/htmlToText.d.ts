/** The part of html-to-text that is used. The package has no types of its own. */
declare module "html-to-text" {
  export const convert: (html: string, options: Readonly<Record<string, unknown>>) => string
}
