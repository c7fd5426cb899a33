/** Text that a terminal or a log shows as it is. */

/** Everything that controls a terminal but newlines and tabs, and what reverses the direction of a line. */
const controls = /[^\P{Cc}\n\t]|[\u202A-\u202E\u2066-\u2069]/u
const allControls = new RegExp(controls, "gu")

/** Text from a model, a server, a file or an input may be in a message, and must not control what shows the message. */
export const printable = (text: string): string => controls.test(text) ? text.replace(allControls, "") : text

/** The same, on one line. */
export const printableLine = (text: string): string => printable(text).replace(/\s*\n\s*/g, " ")
