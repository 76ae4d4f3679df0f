import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricPoint, Num } from '../api/types';
import { addEvaluations, cutEvaluations, measureGroups, shownMeasures } from './evaluations';

function point(step: number, measures?: Record<string, Num>): MetricPoint {
  return { lineage: 0, generation: 1, step, worldSize: 1, loss: 1, learningRate: 0.1, tokensPerSecond: 5, ...(measures ? { measures } : {}) };
}

test('evaluations are those points that measured something, each step once, in order', () => {
  const first = addEvaluations([], [point(3), point(2, { accuracy: 0.5 }), point(4, {})], 10);
  assert.deepEqual(first, [{ step: 2, measures: { accuracy: 0.5 } }]);
  assert.equal(addEvaluations(first, [point(2, { accuracy: 0.9 }), point(5)], 10), first, 'nothing new is the same list');
  const more = addEvaluations(first, [point(8, { accuracy: 'NaN' }), point(6, { accuracy: 0.75 })], 10);
  assert.deepEqual(more.map((one) => one.step), [2, 6, 8]);
  assert.ok(Number.isNaN(more[2]!.measures['accuracy']));
});

test('beyond the limit the newest stays and every second of the others goes', () => {
  const all = addEvaluations([], Array.from({ length: 9 }, (_, i) => point(i + 1, { bleu: i })), 5);
  assert.deepEqual(all.map((one) => one.step), [1, 3, 5, 7, 9]);
});

test('what came after a step that training went back to is forgotten', () => {
  const all = addEvaluations([], [point(10, { f1: 0.1 }), point(20, { f1: 0.2 })], 10);
  assert.deepEqual(cutEvaluations(all, 15).map((one) => one.step), [10]);
  assert.equal(cutEvaluations(all, 20), all);
});

test('of two classes the means of F1 over classes are not shown, of more they are', () => {
  assert.deepEqual(shownMeasures(['matthews', 'micro-f1', 'f1', 'macro-f1', 'accuracy']), ['accuracy', 'f1', 'matthews']);
  assert.deepEqual(shownMeasures(['micro-f1', 'macro-f1', 'accuracy']), ['accuracy', 'macro-f1', 'micro-f1']);
});

test('measures of up to 1 share a chart and each other has its own', () => {
  const all = addEvaluations([], [point(10, { bleu: 0.2, 'exact-match': 0, spearman: -0.5 }), point(20, { bleu: 31.5, 'exact-match': 0.25 })], 10);
  const groups = measureGroups(all, (step) => step * 2);
  assert.deepEqual(groups.map((group) => [group.title, group.series.map((series) => series.label)]), [['Held-out measures', ['Exact match', 'Spearman']], ['Held-out BLEU', ['BLEU']]]);
  assert.deepEqual(groups[0]!.series[0]!.x, [20, 40]);
  assert.deepEqual(groups[1]!.series[0]!.mean, [0.2, 31.5]);
  assert.ok(Number.isNaN(groups[0]!.series[1]!.mean[1]), 'what was not measured is a gap');
  assert.equal(measureGroups(addEvaluations([], [point(1, { accuracy: 1 })], 9), (step) => step)[0]!.title, 'Held-out accuracy');
  assert.deepEqual(measureGroups([], (step) => step), []);
});
