import type { Job, JobFile } from '../api/types';
import { count, short, significant } from '../format/numbers';

/** The task of a resolved job file; what says nothing is of before there was a choice. */
export function taskOf(jobFile: JobFile | undefined): string {
  const task = jobFile?.['task'];
  return typeof task === 'string' ? task : 'masked-lm';
}

/** Whether a held-out loss is that of tokens, which has a perplexity. */
export function hasPerplexity(task: string): boolean {
  return task === 'masked-lm' || task === 'causal-lm' || task === 'sequence-to-sequence';
}

/** Whether every sequence of a step has as many tokens as the model reads. */
export function fillsSequences(task: string): boolean {
  return task === 'masked-lm' || task === 'causal-lm';
}

/** Whether a job applies a model rather than trains one: its steps are so many documents, and so are its tokens. */
export function isInference(job: Job): boolean {
  return (job.documentsPerStep ?? 0) > 0;
}

/** How far a job is: "120 of 1,500 steps", "3,000 of about 12,000 documents". */
export function progressText(job: Job): string {
  const size = job.documentsPerStep ?? 0;
  if (size === 0) return `${count(job.committedStep)} of ${count(job.totalSteps)} steps`;
  // The last step may have fewer.
  return job.state === 'succeeded' ? 'All documents' : `${count(job.committedStep * size)} of about ${count(job.totalSteps * size)} documents`;
}

/** Documents or tokens in a second, as short as a table's cell. */
export function speedText(job: Job, perSecond: number): string {
  return isInference(job) ? `${perSecond < 100 ? significant(perSecond, 3) : short(perSecond)} docs` : short(perSecond);
}
