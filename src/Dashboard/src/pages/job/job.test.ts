import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLine, RankSample } from '../../api/types';
import { brief, hits, plain } from './ansi';
import { append, noBuckets } from '../../charts/buckets';
import { heldOutAt, lanesOf, reachOf, withReach } from './lineage';
import { after, before, lineAt, noLines, rowAt, rowTops } from './logBuffer';
import { addSamples, byRank, median, phaseTimes, total } from './phases';
import { toYaml } from './yaml';

const line = (sequence: number, text = ''): LogLine => ({ sequence, at: new Date(sequence * 1000).toISOString(), generation: 1, rank: 0, worker: 'w', text });
const sample = (rank: number, step: number, forward = 1): RankSample => ({
  lineage: 0, generation: 1, rank, member: rank, worker: 'w', step, steps: 1, dataMilliseconds: 0, forwardMilliseconds: forward, backwardMilliseconds: 0,
  reduceMilliseconds: 0, updateMilliseconds: 0, otherMilliseconds: 2, memoryBytes: 1, peakMemoryBytes: 1, gpuMemoryBytes: 0,
});

test('escapes that colour a terminal are left out, and what is written stays', () => {
  assert.equal(plain('\u001b[31mERR\u001b[0m a [31m b'), 'ERR a [31m b');
  assert.equal(plain('\u001b]8;;http://x\u0007link\u001b]8;;\u001b\\ \u001b[2K\u001b[1;38;5;200mx\u009b0m'), 'link x');
  assert.equal(plain('\u001b(Ba\tb\r\u0007\u0000'), 'a\tb');
  assert.equal(plain('<b>&amp;</b>'), '<b>&amp;</b>');
});

test('a line says briefly what columns tell already', () => {
  assert.equal(brief('2026-11-22 16:40:04.350 INF [a-b7672 m1 l0 g1 r0 s200] Checkpoint [x] is on disk'), 'INF s200 Checkpoint [x] is on disk');
  assert.equal(brief('   at Main()'), '   at Main()');
});

test('hits are found whatever their case, and parts add up to the text', () => {
  assert.deepEqual(hits('an Error, ERROR', 'error'), ['an ', 'Error', ', ', 'ERROR', '']);
  assert.deepEqual(hits('a.b', '.'), ['a', '.', 'b']);
  assert.deepEqual(hits('text', ''), ['text']);
  assert.deepEqual(hits('İx', 'x').join(''), 'İx');
});

test('log lines are each there once, and the oldest go', () => {
  const buffer = after(after(noLines, [line(1), line(2)], 3), [line(2), line(3), line(4)], 3);
  assert.deepEqual([buffer.lines.map((one) => one.sequence), buffer.older], [[2, 3, 4], true]);
  assert.equal(after(buffer, [line(4)], 3), buffer);
});

test('reading back lets the newest go, and says so', () => {
  const buffer = before({ lines: [line(5), line(6)], older: true, newer: false }, [line(3), line(4), line(5)], false, 3);
  assert.deepEqual([buffer.lines.map((one) => one.sequence), buffer.older, buffer.newer], [[3, 4, 5], false, true]);
});

test('a line is found by height, with broken lines too', () => {
  const tops = rowTops([line(1, 'x'.repeat(25)), line(2), line(3, 'y'.repeat(10))], 10, 20);
  assert.deepEqual([...tops], [0, 60, 80, 100]);
  assert.deepEqual([0, 59, 60, 85, 1000].map((top) => rowAt(tops, top, 20, 3)), [0, 0, 1, 2, 3]);
  assert.deepEqual([0, 59, 1000].map((top) => rowAt(null, top, 20, 3)), [0, 2, 3]);
});

test('a line is found by time', () => {
  const lines = [line(10), line(20), line(30)];
  assert.deepEqual([5_000, 20_000, 20_001, 99_000].map((time) => lineAt(lines, time)), [0, 1, 2, 3]);
});

test('phases are means over ranks, or those of one', () => {
  const samples = [sample(0, 10, 2), sample(1, 10, 4), sample(0, 20, 6), sample(1, 20, 8)];
  assert.deepEqual(phaseTimes(samples, null, 100).times[1], [3, 7]);
  assert.deepEqual(phaseTimes(samples, 1, 100).times[1], [4, 8]);
  assert.deepEqual(phaseTimes([], null, 100).step, []);
  assert.equal(total(samples[0]!), 4);
});

test('samples of a rank are bounded, the newest among them', () => {
  let samples: RankSample[] = [];
  for (let step = 1; step <= 100; step++) samples = addSamples(samples, [sample(0, step), sample(1, step), sample(1, step)], 20);
  const ranks = byRank(samples);
  assert.equal(ranks.size, 2);
  for (const own of ranks.values()) {
    assert.ok(own.length <= 20);
    assert.equal(own.at(-1)!.step, 100);
    assert.equal(new Set(own.map((one) => one.step)).size, own.length);
  }
});

test('the median minds numbers alone', () => {
  assert.equal(median([3, NaN, 1]), 2);
  assert.ok(Number.isNaN(median([])));
});

test('a lineage begins where it went back to', () => {
  const checkpoint = (lineage: number, step: number) => ({ name: `${step}`, lineage, generation: 1, step, bytes: 1, kept: true });
  const generation = (lineage: number, firstStep: number) => ({ lineage, generation: 1, worldSize: 1, firstStep });
  const lanes = withReach(
    lanesOf([generation(0, 1), generation(1, 101)], [checkpoint(0, 100), checkpoint(0, 200), checkpoint(1, 150)], 1, 180), reachOf([{ lineage: 0, step: 230 }]));
  assert.deepEqual(lanes.map((lane) => [lane.lineage, lane.fromStep, lane.toStep, lane.current, lane.checkpoints.length]), [[0, 0, 230, false, 2], [1, 100, 180, true, 1]]);
});

test('a checkpoint has the held-out loss that was measured last before it, unless that was given up', () => {
  const point = (step: number, heldOutLoss?: number) => ({
    lineage: 0, generation: 1, step, at: new Date(step).toISOString(), worldSize: 1, loss: 1, learningRate: 1, tokensPerSecond: 1, ...(heldOutLoss === undefined ? {} : { heldOutLoss }),
  });
  const buckets = append(noBuckets, [point(1), point(2, 5), point(3), point(4, 4), point(5)], 100);
  const at = (lineage: number, step: number) => heldOutAt({ name: 'x', lineage, generation: 1, step, bytes: 1, kept: true }, buckets, [{ lineage: 1, generation: 2, worldSize: 1, firstStep: 4 }]);
  assert.deepEqual([at(0, 1), at(0, 3), at(0, 4), at(1, 4)], [null, { loss: 5, step: 2 }, null, { loss: 4, step: 4 }]);
});

test('settings are YAML that means the same', () => {
  assert.equal(toYaml({ name: 'a', corpus: { files: ['x-*.txt'], separator: '' }, flag: true, none: null, betas: [0.9, 0.98] }),
    'name: a\ncorpus:\n  files: ["x-*.txt"]\n  separator: ""\nflag: true\nbetas: [0.9, 0.98]\n');
  assert.equal(toYaml({ a: 'true', b: 'a: b', c: '# x', d: '1', e: '- x\n' }), 'a: "true"\nb: "a: b"\nc: "# x"\nd: "1"\ne: "- x\\n"\n');
  assert.equal(toYaml({ a: {} }), 'a: {}\n');
});
