/**
 * What can go wrong with a journal: one error, with the reason as a tagged value inside.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Another run writes this journal, in this process or another.
 *
 * @category errors
 * @since 0.1.0
 */
export class Locked extends Schema.Error<Locked>("effect-instructor/batch/JournalError/Locked")({
  _tag: Schema.tag("Locked"),
  path: Schema.String,
  holder: Schema.String
}) {
  override get message(): string {
    return `${this.path} is in use by ${this.holder}. Wait until it is done, or give this run a journal of its own`
  }
}

/**
 * There is a file where the journal should be, and it is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAJournal extends Schema.Error<NotAJournal>("effect-instructor/batch/JournalError/NotAJournal")({
  _tag: Schema.tag("NotAJournal"),
  path: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return `${this.path} is not a journal: ${this.description}. Nothing was written to it`
  }
}

/**
 * The journal's file could not be read or written.
 *
 * @category errors
 * @since 0.1.0
 */
export class FileFailure extends Schema.Error<FileFailure>("effect-instructor/batch/JournalError/FileFailure")({
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
 * Why a journal is of no use.
 *
 * @category errors
 * @since 0.1.0
 */
export class JournalError extends Schema.Error<JournalError>("effect-instructor/batch/JournalError")({
  _tag: Schema.tag("JournalError"),
  reason: Schema.Union([Locked, NotAJournal, FileFailure])
}) {
  override readonly cause = this.reason

  override get message(): string {
    return this.reason.message
  }
}
