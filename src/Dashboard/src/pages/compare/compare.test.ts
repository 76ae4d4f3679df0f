import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricPoint } from '../../api/types';
import { append, type Buckets, coarsen, noBuckets } from '../../charts/buckets';
import { labelsOf } from '../../jobs/names';
import { bestHeldOut, commonSpan, matched, meanOver, meanSteps } from './model';

function run(steps: number, loss: (step: number) => MetricPoint['loss'], heldOut: (step: number) => number | undefined = () => undefined): Buckets {
  return append(noBuckets, Array.from({ length: steps }, (_, i): MetricPoint => {
    const measured = heldOut(i + 1);
    return { lineage: 0, generation: 1, step: i + 1, worldSize: 1, loss: loss(i + 1), learningRate: 1, tokensPerSecond: 1, ...(measured === undefined ? {} : { heldOutLoss: measured }) };
  }), 1e6);
}

test('runs of one name are told apart, others are not', () => {
  const labels = labelsOf([{ id: 'brown-o4sr5', name: 'brown' }, { id: 'brown-2v3uz', name: 'brown' }, { id: 'wide-c472x', name: 'wide' }, { id: 'wide-c472x', name: 'wide' }]);
  assert.deepEqual([...labels.values()], ['brown o4sr5', 'brown 2v3uz', 'wide']);
});

test('runs are brought to buckets of about the same size, but not to few', () => {
  const long = coarsen(coarsen(coarsen(run(4000, () => 1))));
  assert.deepEqual(matched([long, run(2000, () => 1), run(300, () => 1)]).map((one) => one.stepsPerBucket), [8, 8, 2]);
  assert.deepEqual(matched([]), []);
});

test('losses are compared over the same steps', () => {
  const slow = run(1000, () => 5);
  const fast = coarsen(run(500, (step) => (step > 400 ? 2 : 9)));
  const span = commonSpan([slow, fast])!;
  assert.deepEqual(span, { from: 401, to: 500 });
  assert.equal(meanOver(slow, 'loss', span), 5);
  assert.ok(Math.abs(meanOver(fast, 'loss', span) - 2) < 0.1);
  assert.ok(Number.isNaN(meanOver(run(500, (step) => (step === 450 ? 'NaN' : 2)), 'loss', span)), 'what is not finite is not passed over');
  assert.ok(Number.isNaN(meanOver(slow, 'loss', { from: 2000, to: 3000 })));
  assert.equal(commonSpan([slow, noBuckets]), null);
  assert.equal(commonSpan([]), null);
  assert.equal(meanSteps([{ ...slow, stepsPerBucket: 128 }]), 256);
});

test('the best held-out loss has its step', () => {
  assert.deepEqual(bestHeldOut(run(300, () => 1, (step) => (step % 100 === 0 ? Math.abs(step - 190) : undefined))), { loss: 10, step: 200 });
  assert.equal(bestHeldOut(run(3, () => 1)), null);
});
