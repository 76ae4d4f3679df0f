import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint, Generation, HistoryEntry } from '../api/types';
import { align, nearest } from './align';
import { logSplits, pace, padded, placeOfStep, placeText, stepsBetween, tickTexts, timeTrained, within } from './axes';
import { append, noBuckets } from './buckets';
import { columnsOf, extent, newestOf } from './columns';
import { curveOf } from './curves';
import { csv, quoted } from './export';
import { checkpointMarks, failureMarks, generationMarks, isFailure, labelsOf, place } from './marks';
import { smooth, weightOf } from './smoothing';

const buckets = append(noBuckets, [1, 2, 3, 4].map((step) => ({
  lineage: 0, generation: 1, step, at: new Date(10_000 + step * 500).toISOString(), worldSize: 1, loss: step, learningRate: 1, tokensPerSecond: 1,
})), 100);

test('smoothing leaves a constant as it is, from the first value on', () => {
  assert.deepEqual(smooth([3, 3, 3], 0.9).map((value) => Number(value!.toFixed(9))), [3, 3, 3]);
});

test('smoothing is the mean that is weighted by age', () => {
  const [, second, third] = smooth([1, 2, 4], 0.5);
  assert.ok(Math.abs(second! - (1 * 0.5 + 2) / 1.5) < 1e-12);
  assert.ok(Math.abs(third! - (1 * 0.25 + 2 * 0.5 + 4) / 1.75) < 1e-12);
});

test('smoothing keeps gaps, which do not count', () => {
  assert.deepEqual(smooth([2, null, 2], 0.9), [2, null, 2]);
  assert.deepEqual(smooth([1, 5], 0), [1, 5]);
});

test('smoothing is the same however many steps a value stands for', () => {
  const steps = Array.from({ length: 400 }, (_, i) => i + 1);
  const loss = (step: number): number => 3 + Math.sin(step / 40);
  const all = smooth(steps.map(loss), 0.9, steps).at(-1)!;
  const tenth = steps.filter((step) => step % 10 === 0);
  const coarse = smooth(tenth.map((step) => [...Array(10).keys()].reduce((sum, i) => sum + loss(step - i), 0) / 10), 0.9, tenth).at(-1)!;
  assert.ok(Math.abs(all - coarse) < 0.06 && Math.abs(smooth(tenth.map(loss), 0.9).at(-1)! - all) > 0.1);
});

test('a part is smoothed from what comes before it on', () => {
  const points = Array.from({ length: 50 }, (_, i) => ({
    lineage: 0, generation: 1, step: i + 1, at: new Date(i).toISOString(), worldSize: 1, loss: i % 7, learningRate: 1, tokensPerSecond: 1,
  }));
  const whole = append(noBuckets, points, 100);
  const lines = [whole, append(noBuckets, points.slice(30), 100)].map((one) =>
    columnsOf({ series: [curveOf(one, 'loss', 'step', 1, { id: 'a', label: 'A', colour: 1 }, whole, 1)], kind: 'line', log: false, smoothing: 80 }).data.at(-1)!);
  assert.deepEqual(lines[1], lines[0]!.slice(30));
});

test('the slider ends below one', () => {
  assert.equal(weightOf(0), 0);
  assert.ok(weightOf(50) > 0.5 && weightOf(100) < 1);
});

test('curves over different places are laid over all of them', () => {
  assert.deepEqual(align([{ x: [1, 3], columns: [[10, null]] }, { x: [2, 3], columns: [[20, 30]] }]), [[1, 2, 3], [10, undefined, null], [undefined, 20, 30]]);
  assert.deepEqual(align([]), [[]]);
});

test('the nearest place is found', () => {
  assert.deepEqual([-5, 1.4, 1.6, 99].map((value) => nearest([1, 2, 5], value)), [0, 0, 1, 2]);
  assert.equal(nearest([], 1), -1);
});

test('a part of an axis is the steps around it', () => {
  assert.deepEqual(stepsBetween('step', 1.6, 3.2, buckets, 100), [1, 4]);
  assert.deepEqual(stepsBetween('tokens', 210, 290, buckets, 100), [2, 3]);
  assert.deepEqual(stepsBetween('time', 11_100, 11_600, buckets, 100), [2, 4]);
  assert.equal(placeOfStep('time', 2.5, buckets, 100), 11_250);
  assert.deepEqual(stepsBetween('step', -5, 0.2, buckets, 100), [1, 1]);
});

test('what has no place yet is told so', () => {
  assert.equal(placeText('time', placeOfStep('time', 3, noBuckets, 100)), '–');
  assert.equal(placeText('step', 12_400), 'step 12,400');
  assert.equal(csv('time', [{ id: 'a', label: 'A', colour: 1, x: [NaN], mean: [1] }]), 'series,time,mean,min,max\nA,NaN,1,1,1\n');
});

test('ticks are told apart however near they are', () => {
  assert.deepEqual(tickTexts([12_400, 12_410, 12_420]), ['12.4k', '12.41k', '12.42k']);
  assert.deepEqual(tickTexts([12_400, 12_402]), ['12,400', '12,402']);
  assert.deepEqual(tickTexts([0, 500_000, 1_000_000, 1_500_000]), ['0', '0.5M', '1M', '1.5M']);
  assert.deepEqual(tickTexts([0, 5000]), ['0', '5k']);
  for (const by of [1, 2, 5, 10, 50, 200, 1000, 20_000]) {
    const ticks = Array.from({ length: 9 }, (_, i) => 1_230_000 + i * by);
    assert.equal(new Set(tickTexts(ticks)).size, ticks.length);
  }
  assert.deepEqual(tickTexts([]), []);
});

test('what is shown stays within the axis', () => {
  assert.deepEqual(within([-5, 5], [0, 100]), [0, 10]);
  assert.deepEqual(within([95, 105], [0, 100]), [90, 100]);
  assert.deepEqual(within([20, 30], [0, 100]), [20, 30]);
  assert.equal(within([-10, 110], [0, 100]), null);
});

test('the pace is taken from the newest steps', () => {
  assert.equal(pace(buckets), 500);
  assert.ok(Number.isNaN(pace(noBuckets)));
});

test('the time trained leaves pauses out', () => {
  const points = Array.from({ length: 101 }, (_, i) => ({
    lineage: 0, generation: 1, step: i + 1, at: new Date(i * 500 + (i > 50 ? 3_600_000 : 0)).toISOString(), worldSize: 1, loss: 1, learningRate: 1, tokensPerSecond: 1,
  }));
  assert.equal(timeTrained(append(noBuckets, points, 1000)), 50_000);
  assert.ok(Number.isNaN(timeTrained(noBuckets)));
});

test('logarithmic axes have round ticks within their ends', () => {
  assert.deepEqual(logSplits(8, 30_000), [10, 100, 1000, 10_000]);
  assert.deepEqual(logSplits(0.9, 60), [1, 2, 5, 10, 20, 50]);
  assert.deepEqual(logSplits(2, 3), [2, 2.5, 3]);
  assert.deepEqual(logSplits(0, 3), []);
});

const series = { id: 'a', label: 'A', colour: 1, x: [1, 2, 3], mean: [1, NaN, 3] };

test('a value that is not finite is a gap with its place told', () => {
  const { data, bad } = columnsOf({ series: [series], kind: 'line', log: false, smoothing: 0 });
  assert.deepEqual(data, [[1, 2, 3], [1, null, 3]]);
  assert.deepEqual(bad, [[2]]);
});

test('a sparse curve goes on over places without a value', () => {
  const { data, bad } = columnsOf({ series: [{ ...series, sparse: true }], kind: 'line', log: false, smoothing: 0 });
  assert.deepEqual(data, [[1, 3], [1, 3]]);
  assert.deepEqual(bad, [[]]);
});

test('of a sparse curve what is not finite is told from what was not measured', () => {
  const one = { ...series, x: [1, 2, 3, 4], mean: [1, NaN, Infinity, NaN], sparse: true };
  const { data, bad } = columnsOf({ series: [one], kind: 'line', log: false, smoothing: 0 });
  assert.deepEqual([data, bad], [[[1, 3], [1, null]], [[3]]]);
  assert.equal(newestOf(one), Infinity);
  assert.equal(newestOf({ ...one, mean: [NaN, NaN, NaN, NaN] }), undefined);
});

test('what a logarithmic axis cannot show is a gap', () => {
  assert.deepEqual(columnsOf({ series: [{ ...series, mean: [0, -1, 3] }], kind: 'line', log: true, smoothing: 0 }).data[1], [null, null, 3]);
});

test('bands and the faint line come with what is drawn', () => {
  const { of } = columnsOf({ series: [{ ...series, mean: [1, 2, 3], min: [0, 1, 2], max: [2, 3, 4] }], kind: 'line', log: false, smoothing: 50 });
  assert.deepEqual(of.map((one) => one.part), ['low', 'high', 'raw', 'line']);
});

test('a stack adds up, its topmost first', () => {
  const { data } = columnsOf({ series: [series, { ...series, id: 'b', mean: [10, 10, 10] }], kind: 'stacked', log: false, smoothing: 0 });
  assert.deepEqual(data.slice(1), [[11, 10, 13], [1, 0, 3]]);
});

test('what is hidden is no part of a stack', () => {
  const stack = [series, { ...series, id: 'b', mean: [10, 10, 10] }];
  assert.deepEqual(columnsOf({ series: stack, kind: 'stacked', log: false, smoothing: 0, hidden: new Set(['a']) }).data[1], [10, 10, 10]);
});

test('a spike of a stack does not flatten it', () => {
  const x = Array.from({ length: 1000 }, (_, i) => i);
  const columns = columnsOf({ series: [{ ...series, x, mean: x.map((i) => (i === 500 ? 1e6 : 1)) }, { ...series, id: 'b', x, mean: x.map(() => 2) }], kind: 'stacked', log: false, smoothing: 0 });
  assert.deepEqual(extent(columns, () => true, 0, 999, true), [1, 3]);
});

test('a spike of a band does not flatten the lines', () => {
  const x = Array.from({ length: 1000 }, (_, i) => i);
  const columns = columnsOf({ series: [{ ...series, x, mean: x.map(() => 1), min: x.map(() => 0.5), max: x.map((i) => (i === 500 ? 1e6 : 2)) }], kind: 'line', log: false, smoothing: 0 });
  assert.deepEqual(extent(columns, () => true, 0, 999), [0.5, 2]);
  assert.equal(extent(columns, () => false, 0, 999), null);
});

test('a generation of a new lineage is marked as going back', () => {
  const one = (lineage: number, generation: number, worldSize: number, firstStep: number): Generation => ({ lineage, generation, worldSize, firstStep });
  const marks = generationMarks([one(0, 1, 4, 1), one(0, 2, 1, 500), one(1, 3, 4, 300)]);
  assert.deepEqual(marks.map((mark) => [mark.kind, mark.step, mark.label]), [['generation', 1, 'G1 · 4'], ['generation', 500, 'G2 · 1'], ['back', 300, '↩ L1']]);
});

test('failures are told from the history by what has happened', () => {
  const entry = (what: string, step: number, why = 'SIGKILL'): HistoryEntry => ({ sequence: 1, who: 'coordinator', what, why, state: 'running', lineage: 0, generation: 1, step });
  const marks = failureMarks([entry('generation 1 lost 1 rank', 7), entry('generation 2 started with 3 ranks', 7), entry('rank 1 failed', 0),
    entry('generation 2 started with 1 rank', 8, 'rank 1 on worker b was ended by SIGKILL (exit code 137)'), entry('generation 3 started with 2 ranks', 9, 'a rank is ready on b')]);
  assert.deepEqual(marks.map((mark) => mark.text), ['generation 1 lost 1 rank: SIGKILL', 'generation 2 started with 1 rank: rank 1 on worker b was ended by SIGKILL (exit code 137)']);
});

test('what a person did is no failure, whatever words were given as the reason', () => {
  const entry = { sequence: 1, what: 'resumed', why: 'loss failed to fall: rank 1 is lost', state: 'queued' as const, lineage: 0, generation: 1, step: 9 };
  assert.ok(!isFailure({ ...entry, who: 'person:ada' }));
  assert.ok(isFailure({ ...entry, who: 'worker:a', what: 'generation 2 started with 1 rank' }));
});

test('marks too near to be told apart are brought together, by kind', () => {
  const checkpoint = (step: number): Checkpoint => ({ name: `s${step}`, lineage: 0, generation: 1, step, bytes: 1, kept: true });
  const placed = place(checkpointMarks([checkpoint(30), checkpoint(12), checkpoint(10), checkpoint(200)]), (mark) => mark.step, 100, 5);
  assert.deepEqual(placed.map((one) => [one.left, one.others.length]), [[10, 1], [30, 0]]);
});

test('labels of generations do not lie over each other, and stay within the edges', () => {
  const at = (generation: number, left: number, kind: 'generation' | 'back' = 'generation') =>
    ({ mark: { kind, step: left, label: `G${generation} · 2`, text: '', generation }, left, others: [] });
  const labels = (...placed: ReturnType<typeof at>[]) => labelsOf(placed, 200, (text) => text.length * 6).map((one) => [one.text, one.left, one.leftwards]);
  assert.deepEqual(labels(at(1, 0), at(2, 100)), [['G1 · 2', 0, false], ['G2 · 2', 100, false]]);
  assert.deepEqual(labels(at(1, 0), at(2, 100), at(3, 120, 'back')), [['G1 · 2', 0, false], ['↩ G2–3', 100, false]]);
  assert.deepEqual(labels(at(1, 0), at(2, 198)), [['G1 · 2', 0, false], ['G2 · 2', 198, true]]);
  assert.deepEqual(labels(at(1, 140), at(2, 195)), [['G1–2', 140, false]]);
});

test('labels are no formulas in a spreadsheet', () => {
  assert.equal(quoted('=1+1'), "'=1+1");
  assert.equal(quoted('a,"b"'), '"a,""b"""');
  assert.equal(csv('step', [{ ...series, label: '@x' }]), "series,step,mean,min,max\n'@x,1,1,1,1\n'@x,2,NaN,NaN,NaN\n'@x,3,3,3,3\n");
});

test('values that are all but the same are shown as a line in the middle, where ticks have room', () => {
  assert.deepEqual(padded(1, 2).map((end) => Number(end.toFixed(9))), [0.93, 2.07]);
  for (const [low, high] of [[1e-3, 1e-3 + 2e-19], [-5, -5], [7, 7 + 1e-9]] as const) {
    const [from, to] = padded(low, high);
    assert.ok(to - from > Math.abs(low) * 0.19 && from < low && to > high);
  }
  assert.deepEqual(padded(0, 0), [-0.5, 0.5]);
});
