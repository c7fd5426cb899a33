/**
 * Structured extraction from language models for Effect programs.
 *
 * @since 0.1.0
 */

/** Runs many extractions at once. */
export * as Batch from "./batch/Batch.ts"
/** Errors of a batch that stopped. */
export * as BatchError from "./batch/BatchError.ts"
/** Estimates of a batch before it runs. */
export * as BatchEstimate from "./batch/BatchEstimate.ts"
/** What the processes of distributed batches share. */
export * as BatchQueue from "./batch/BatchQueue.ts"
/** The progress of a batch while it runs. */
export * as BatchProgress from "./batch/BatchProgress.ts"
/** Reports of a batch as HTML. */
export * as BatchReport from "./batch/BatchReport.ts"
/** The figures of a batch at its end. */
export * as BatchSummary from "./batch/BatchSummary.ts"
/** Workers of distributed batches. */
export * as BatchWorker from "./batch/BatchWorker.ts"
/** The record of finished items that a batch resumes from. */
export * as Journal from "./batch/Journal.ts"
/** A journal in a SQL database. */
export * as SqlJournal from "./batch/SqlJournal.ts"
/** The steps of offline batches, one by one. */
export * as OfflineBatch from "./batch/OfflineBatch.ts"
/** Fine-tuning data from the answers of a run. */
export * as Distillation from "./evaluation/Distillation.ts"
/** How good an extraction is on a gold set. */
export * as Evaluation from "./evaluation/Evaluation.ts"
/** Recorded answers as a model. */
export * as Replay from "./evaluation/Replay.ts"
/** A schema and how to ask for it. */
export * as Extraction from "./extraction/Extraction.ts"
/** Errors of an extraction. */
export * as ExtractionError from "./extraction/ExtractionError.ts"
/** Lists and objects while they are being written. */
export * as ExtractionStream from "./extraction/ExtractionStream.ts"
/** Checks in which a model judges a value. */
export * as LlmCheck from "./extraction/LlmCheck.ts"
/** A model's answer. */
export * as Completion from "./llm/Completion.ts"
/** The service that completes requests. */
export * as Llm from "./llm/Llm.ts"
/** The service that answers many requests later, at a lower price. */
export * as LlmBatch from "./llm/LlmBatch.ts"
/** Errors of a provider. */
export * as LlmError from "./llm/LlmError.ts"
/** A request as data. */
export * as LlmRequest from "./llm/LlmRequest.ts"
/** Prices of tokens. */
export * as Pricing from "./llm/Pricing.ts"
/** Tokens and their cost. */
export * as Usage from "./llm/Usage.ts"
/** Sends the requests of providers. */
export * as Transport from "./transport/Transport.ts"
/** A limit on what is spent. */
export * as LlmBudget from "./middleware/budget/LlmBudget.ts"
/** A cache of answers. */
export * as LlmCache from "./middleware/cache/LlmCache.ts"
/** Rate limits, concurrency and retries. */
export * as LlmGovernor from "./middleware/governor/LlmGovernor.ts"
/** Where the values of an answer come from. */
export * as Grounding from "./quality/Grounding.ts"
/** Providers by name. */
export * as Provider from "./providers/Provider.ts"
/** Confidence as probability. */
export * as Calibration from "./quality/Calibration.ts"
/** One answer from several. */
export * as Vote from "./quality/Vote.ts"
/** Images, PDFs and audio in a prompt. */
export * as Media from "./prompt/Media.ts"
