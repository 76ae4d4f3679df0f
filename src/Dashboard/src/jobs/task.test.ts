import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../api/types';
import { fillsSequences, hasPerplexity, isInference, progressText, speedText, taskOf } from './task';

const job = { state: 'running', committedStep: 3, totalSteps: 12, task: 'masked-lm', documentsPerStep: 0 } as Job;
const applied = { ...job, task: 'inference', documentsPerStep: 1000 } as Job;

test('how far a job is, is told in what it works on', () => {
  assert.equal(progressText(job), '3 of 12 steps');
  assert.equal(progressText(applied), '3,000 of about 12,000 documents');
  assert.equal(progressText({ ...applied, state: 'succeeded' }), 'All documents');
  assert.equal(speedText(job, 12345), '12.3k');
  assert.match(speedText(applied, 12.345), /^12\.3 docs$/);
});

test('a job of an older coordinator is none of inference, and a file without a task is of masked-lm', () => {
  const old = { ...job } as Partial<Job>;
  delete old.documentsPerStep;
  assert.equal(isInference(old as Job), false);
  assert.equal(taskOf({}), 'masked-lm');
  assert.equal(taskOf(undefined), 'masked-lm');
  assert.equal(taskOf({ task: 'classification' }), 'classification');
});

test('perplexity is of tokens, and only texts that are cut from a stream fill their sequences', () => {
  assert.deepEqual(['masked-lm', 'causal-lm', 'sequence-to-sequence', 'classification', 'plugin', 'inference'].map(hasPerplexity), [true, true, true, false, false, false]);
  assert.deepEqual(['masked-lm', 'causal-lm', 'sequence-to-sequence', 'classification'].map(fillsSequences), [true, true, false, false]);
});
