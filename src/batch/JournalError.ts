/** Errors of a journal: one `JournalError`, with the reason as a tagged value inside. Exported by `Journal`. */
import * as Schema from "effect/Schema"
import { printable } from "../internal/printable.ts"

/**
 * Another run uses the journal, in this process or in another one.
 *
 * @category errors
 * @since 0.1.0
 */
export class Locked extends Schema.Error<Locked>("effect-instructor/JournalError/Locked")({
  _tag: Schema.tag("Locked"),
  path: Schema.String,
  holder: Schema.String
}) {
  override get message(): string {
    return `${this.path} is in use by ${this.holder}. Wait until it has finished, or use another journal`
  }
}

/**
 * The file exists and is not a journal, or one of another version. It was not changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAJournal extends Schema.Error<NotAJournal>("effect-instructor/JournalError/NotAJournal")({
  _tag: Schema.tag("NotAJournal"),
  path: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return `${this.path} is not a journal: ${this.description}. It was not changed`
  }
}

/**
 * A file of the journal could not be read or written.
 *
 * @category errors
 * @since 0.1.0
 */
export class FileFailure extends Schema.Error<FileFailure>("effect-instructor/JournalError/FileFailure")({
  _tag: Schema.tag("FileFailure"),
  path: Schema.String,
  operation: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return `${this.path} could not be ${this.operation}: ${this.description}`
  }
}

/**
 * A record is too large, or nested too deep, to be written. Other records are not affected.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidRecord extends Schema.Error<InvalidRecord>("effect-instructor/JournalError/InvalidRecord")({
  _tag: Schema.tag("InvalidRecord"),
  index: Schema.Natural,
  description: Schema.String
}) {
  override get message(): string {
    return `The result of item ${this.index} cannot be recorded: ${this.description}`
  }
}

/**
 * The database of the journal could not be used. Failures that may pass, such as a lost connection, were retried for a
 * minute.
 *
 * @category errors
 * @since 0.1.0
 */
export class SqlFailure extends Schema.Error<SqlFailure>("effect-instructor/JournalError/SqlFailure")({
  _tag: Schema.tag("SqlFailure"),
  operation: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return `The journal's database could not be ${this.operation}: ${this.description}`
  }
}

/**
 * What a journal fails with. Handle single reasons with `Effect.catchReason`.
 *
 * @category errors
 * @since 0.1.0
 */
export class JournalError extends Schema.Error<JournalError>("effect-instructor/JournalError")({
  _tag: Schema.tag("JournalError"),
  reason: Schema.Union([Locked, NotAJournal, FileFailure, SqlFailure, InvalidRecord])
}) {
  override readonly cause = this.reason

  /** Whether every other operation of the journal may fail, too: false for a single record that cannot be written. */
  get isUnrecoverable(): boolean {
    return this.reason._tag !== "InvalidRecord"
  }

  override get message(): string {
    return printable(this.reason.message)
  }
}
