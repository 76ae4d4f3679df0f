import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricPoint, MetricRange } from '../api/types';
import { append, type Buckets, coarsen, cutAfter, fromRange, noBuckets } from './buckets';

function point(step: number, loss: MetricPoint['loss'], heldOutLoss?: number): MetricPoint {
  return {
    lineage: 0, generation: 1, step, at: new Date(step * 1000).toISOString(), worldSize: 2, loss, learningRate: 1, tokensPerSecond: 10,
    ...(heldOutLoss === undefined ? {} : { heldOutLoss }),
  };
}

const upTo = (count: number): MetricPoint[] => Array.from({ length: count }, (_, i) => point(i + 1, i + 1));
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

test('numbers that JSON has no word for are read', () => {
  const range: MetricRange = {
    jobId: 'j', stepsPerBucket: 1, firstStep: [1, 2], lastStep: [1, 2], count: [1, 1], at: [5, 4], oldestStep: 1, newestStep: 2,
    series: [{ name: 'loss', min: ['NaN', 2], mean: ['NaN', 2], max: ['Infinity', 2] }],
  };
  const buckets = fromRange(range);
  assert.deepEqual(buckets.columns.loss, { min: [NaN, 2], mean: [NaN, 2], max: [Infinity, 2] });
  assert.deepEqual(buckets.columns.gradientNorm.mean, [NaN, NaN]);
  assert.deepEqual(buckets.at, [5, 5]);
});

test('points of steps that are there already are not added twice', () => {
  const once = append(noBuckets, upTo(4), 100);
  assert.equal(append(once, upTo(4), 100), once);
  assert.deepEqual(append(once, upTo(6), 100).last, [1, 2, 3, 4, 5, 6]);
});

test('a bucket is filled before the next begins', () => {
  const four: Buckets = coarsen(coarsen(append(noBuckets, upTo(4), 100)));
  const more = append(four, [point(5, 9), point(6, 3)], 100);
  assert.deepEqual([more.first, more.last, more.count], [[1, 4], [3, 6], [3, 3]]);
  assert.deepEqual(more.columns.loss, { min: [1, 3], mean: [2, 16 / 3], max: [3, 9] });
});

test('however many points come, buckets are bounded and no step is lost', () => {
  for (const size of [1, 7, 100]) {
    let buckets = noBuckets;
    const points = upTo(1000);
    for (let i = 0; i < points.length; i += size) buckets = append(buckets, points.slice(i, i + size), 50);
    assert.ok(buckets.first.length <= 50);
    assert.equal(sum(buckets.count), 1000);
    const weighted = sum(buckets.columns.loss.mean.map((mean, i) => mean * buckets.count[i]!));
    assert.ok(Math.abs(weighted / 1000 - 500.5) < 1e-9);
    assert.equal(Math.min(...buckets.columns.loss.min), 1);
    assert.equal(Math.max(...buckets.columns.loss.max), 1000);
  }
});

test('a value that is not finite does not spoil the mean, and is seen in the extremes', () => {
  const buckets = coarsen(append(noBuckets, [point(2, 2), point(3, 'Infinity'), point(4, 'NaN'), point(5, 'NaN')], 100));
  assert.deepEqual(buckets.columns.loss, { min: [2, NaN], mean: [2, NaN], max: [Infinity, NaN] });
});

test('what is measured rarely is kept in the bucket of its step', () => {
  const buckets = coarsen(append(noBuckets, [point(1, 2), point(2, 2, 5), point(3, 2), point(4, 2)], 100));
  assert.deepEqual(buckets.columns.heldOutLoss.mean, [NaN, 5, NaN]);
});

test('what is measured rarely and is not finite is told from what was not measured', () => {
  const points = [point(1, 2), { ...point(2, 2), heldOutLoss: 'NaN' as const }, point(3, 2)];
  assert.deepEqual(append(noBuckets, points, 100).columns.heldOutLoss, { min: [NaN, NaN, NaN], mean: [NaN, NaN, NaN], max: [NaN, Infinity, NaN] });
  assert.deepEqual(coarsen(append(noBuckets, points, 100)).columns.heldOutLoss.max, [NaN, Infinity]);
});

test('going back forgets what came after', () => {
  const buckets = append(noBuckets, upTo(10), 100);
  assert.deepEqual(cutAfter(buckets, 6).last, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(append(cutAfter(buckets, 6), [point(7, 70)], 100).columns.loss.mean.at(-1), 70);
  assert.deepEqual(cutAfter(buckets, 0).last, []);
  assert.equal(cutAfter(coarsen(buckets), 6).last.at(-1), 6);
  assert.equal(cutAfter(buckets, 99), buckets);
});
