/**
 * Structured extraction from language models for Effect programs.
 *
 * @since 0.1.0
 */

/** Many extractions at once. */
export * as Batch from "./batch/Batch.ts"
/** Why a batch ended before its source. */
export * as BatchError from "./batch/BatchError.ts"
/** What a batch will come to. */
export * as BatchEstimate from "./batch/BatchEstimate.ts"
/** Where a batch stands. */
export * as BatchProgress from "./batch/BatchProgress.ts"
/** What became of a batch, in figures. */
export * as BatchSummary from "./batch/BatchSummary.ts"
/** Which items of a batch are done. */
export * as Journal from "./batch/Journal.ts"
/** A schema and how to ask for it. */
export * as Extraction from "./extraction/Extraction.ts"
/** Lists and objects while they are being written. */
export * as ExtractionStream from "./extraction/ExtractionStream.ts"
/** Why an extraction gave no value. */
export * as ExtractionError from "./extraction/ExtractionError.ts"
/** What governors count. */
export * as GovernorMetrics from "./middleware/governor/GovernorMetrics.ts"
/** A model's answer. */
export * as Completion from "./llm/Completion.ts"
/** The door to a language model. */
export * as Llm from "./llm/Llm.ts"
/** Errors of a language model provider. */
export * as LlmError from "./llm/LlmError.ts"
/** Bounds on what is spent. */
export * as LlmBudget from "./middleware/budget/LlmBudget.ts"
/** Answers kept. */
export * as LlmCache from "./middleware/cache/LlmCache.ts"
/** Who is told of retries. */
export * as LlmObserver from "./llm/RequestObserver.ts"
/** Rates, concurrency, retries. */
export * as LlmGovernor from "./middleware/governor/LlmGovernor.ts"
/** Which requests go first. */
export * as LlmPriority from "./llm/LlmPriority.ts"
/** A request as data. */
export * as LlmRequest from "./llm/LlmRequest.ts"
/** What tokens cost. */
export * as Pricing from "./llm/Pricing.ts"
/** Tokens and money. */
export * as Usage from "./llm/Usage.ts"
/** What is wrong with an answer. */
export * as AnswerIssue from "./answer/AnswerIssue.ts"
