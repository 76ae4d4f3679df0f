import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, JobState } from '../api/types';
import { readSort, sortBy } from '../components/Table';
import { allows } from './actions';
import { fits, liveJobs, listQuery, merged, ordered, readStates, reasonBesides } from './list';
import { observe, recallPace, remaining, type Seen, share, speed, timeLeft, watchPace } from './pace';
import { settingRows } from './settings';

function job(id: string, more: Partial<Job> = {}): Job {
  return {
    id, name: id, state: 'running', reason: '', priority: 0, submitter: 'person:ada', submittedAt: '2030-01-01T00:00:00Z', lineage: 1, generation: 1, worldSize: 1,
    appliedStep: 0, committedStep: 0, totalSteps: 100, pending: '', ranksMin: 1, ranksMax: 1, revision: 1, unchanged: false, lossLine: [], ...more,
  };
}

const all = { states: [] as JobState[], text: '', owner: '' };

test('the stream brings jobs, changes them and takes them away', () => {
  const first = merged(new Map(), { full: true, jobs: [job('a'), job('b')] });
  const then = merged(first, { jobs: [job('b', { committedStep: 7 }), job('c')], removed: ['a'] });
  assert.deepEqual([...then.keys()].sort(), ['b', 'c']);
  assert.equal(then.get('b')?.committedStep, 7);
  assert.equal(first.get('b')?.committedStep, 0, 'what was shown is not changed');
});

test('a job without a line keeps the one that it had, until it begins anew', () => {
  const known = merged(new Map(), { jobs: [job('a', { lossLine: [3, 2], committedStep: 5 })] });
  assert.deepEqual(merged(known, { jobs: [job('a', { committedStep: 6 })] }).get('a')?.lossLine, [3, 2]);
  assert.deepEqual(merged(known, { jobs: [job('a')] }).get('a')?.lossLine, []);
});

test('a full message takes away what has been deleted meanwhile, but not older jobs than it goes back to', () => {
  const small = merged(merged(new Map(), { jobs: [job('gone')] }), { full: true, jobs: [job('a')] });
  assert.deepEqual([...small.keys()], ['a']);
  const old = job('old', { submittedAt: '2029-01-01T00:00:00Z' });
  const many = Array.from({ length: liveJobs }, (_, i) => job(`j${i}`));
  const large = merged(merged(new Map(), { jobs: [old, job('gone')] }), { full: true, jobs: many });
  assert.ok(large.has('old'));
  assert.ok(!large.has('gone'));
  assert.equal(large.size, liveJobs + 1);
});

test('filters', () => {
  assert.deepEqual(readStates('failed,nonsense,running'), ['running', 'failed']);
  assert.deepEqual(readStates(null), []);
  assert.ok(fits(job('a', { name: 'Brown-Small' }), { ...all, text: 'brown' }));
  assert.ok(!fits(job('a'), { ...all, states: ['failed'] }));
  assert.ok(!fits(job('a'), { ...all, owner: 'grace' }));
  assert.ok(fits(job('a'), { ...all, owner: 'ada', states: ['running', 'failed'] }));
});

test('sorting puts what has no value last, either way', () => {
  const jobs = [job('none'), job('high', { lastMetrics: point(5) }), job('nan', { lastMetrics: point('NaN') }), job('low', { lastMetrics: point(2) })];
  assert.deepEqual(ordered(jobs, 'loss', false).map((one) => one.id), ['low', 'high', 'none', 'nan']);
  assert.deepEqual(ordered(jobs, 'loss', true).map((one) => one.id), ['high', 'low', 'none', 'nan']);
  assert.deepEqual(sortBy(['k10', 'k9', 'K1'], (name) => name, false), ['K1', 'k9', 'k10']);
  const days = [job('old', { submittedAt: '2030-01-01T00:00:00Z' }), job('new', { submittedAt: '2030-01-02T00:00:00Z' })];
  assert.deepEqual(ordered(days, 'age', false).map((one) => one.id), ['new', 'old']);
  assert.deepEqual(readSort('-loss', { by: 'age', descending: false }), { by: 'loss', descending: true });
});

test('what is asked of the coordinator has its order and direction', () => {
  assert.deepEqual(listQuery({ ...all, states: ['failed'] }, 'age', false), { state: ['failed'], name: '', submitter: '', pageSize: 100, lossLinePoints: 40 });
  assert.equal(listQuery(all, 'age', true)['reverse'], true);
  assert.equal(listQuery(all, 'priority', true)['reverse'], undefined, 'highest first is its own direction');
  assert.equal(listQuery(all, 'priority', false)['reverse'], true);
  assert.equal(listQuery(all, 'owner', true)['order'], 'submitter');
  assert.equal(listQuery(all, 'loss', true)['order'], undefined);
});

test('the time that is left is taken from the steps of the last minutes', () => {
  const start: readonly Seen[] = observe([], { step: 10, time: 0 });
  assert.ok(Number.isNaN(speed(start)));
  const seen = observe(start, { step: 20, time: 10_000 });
  assert.equal(speed(seen), 0.001);
  assert.equal(remaining(job('a', { committedStep: 20 }), seen), 80_000);
  assert.equal(observe(seen, { step: 20, time: 12_000 }), seen, 'no step is nothing new');
  // What lies further back than five minutes does not count.
  let later = seen;
  for (let i = 1; i <= 40; i++) later = observe(later, { step: 20 + 20 * i, time: 10_000 + 10_000 * i });
  assert.ok(Math.abs(speed(later) - 0.002) < 1e-12);
  assert.ok(Number.isNaN(speed(observe(later, { step: 5, time: 500_000 }))), 'a job that went back is watched anew');
  assert.equal(speed(observe(observe([], { step: 1, time: 0 }), { step: 2, time: 3_600_000 })), 1 / 3_600_000, 'steps that take longer than what is kept');
});

test('a job that does not run, or that was not seen for long enough, has no time left', () => {
  const seen = [{ step: 0, time: 0 }, { step: 25, time: 50_000 }];
  const running = job('a', { committedStep: 25 });
  assert.equal(remaining(running, seen), 150_000);
  assert.ok(Number.isNaN(remaining({ ...running, state: 'paused' }, seen)));
  assert.ok(Number.isNaN(remaining(running, [])));
  assert.equal(remaining({ ...running, committedStep: 100 }, seen), 0);
  assert.equal(share(running), 0.25);
  assert.equal(share(job('a', { totalSteps: 0 })), 0);
});

test('what was watched is kept for a generation, and earlier steps of it are recalled', () => {
  const at = (step: number, generation = 2): Job => job('recalled', { committedStep: step, generation, lastMetrics: { ...point(1), generation, step, at: new Date(step * 1000).toISOString() } });
  watchPace([at(50)]);
  assert.ok(Number.isNaN(timeLeft(at(50))));
  recallPace(at(50), [10, 20, 30, 40, 50], [1000, 2000, 30_000, 40_000, 50_000], 30);
  assert.equal(timeLeft(at(50)), 50_000, 'from the first step of the generation on');
  watchPace([at(60, 3)]);
  assert.ok(Number.isNaN(timeLeft(at(60, 3))));
  watchPace([{ ...at(50), state: 'paused' }]);
  assert.ok(Number.isNaN(timeLeft(at(50))));
});

test('a reason does not say the state again', () => {
  const besides = (reason: string, pending = ''): string => reasonBesides({ reason, state: 'paused', pending });
  assert.equal(besides('paused'), '');
  assert.equal(besides('paused; its slots are needed'), 'its slots are needed');
  assert.equal(besides('paused: too long'), 'too long');
  assert.equal(besides('waits for 2 slots'), 'waits for 2 slots');
  assert.equal(besides('resuming: its ranks stop', 'resuming'), 'its ranks stop');
});

test('what a state allows', () => {
  assert.ok(allows(job('a'), 'pause'));
  assert.ok(!allows(job('a', { pending: 'pausing' }), 'pause'));
  assert.ok(allows(job('a', { state: 'paused' }), 'resume'));
  assert.ok(!allows(job('a', { state: 'succeeded' }), 'cancel'));
  assert.ok(allows(job('a', { state: 'failed' }), 'delete'));
  assert.ok(!allows(job('a'), 'delete'));
});

test('settings side by side', () => {
  const rows = settingRows([
    { name: 'a', corpus: { files: ['x', 'y'] }, model: { heads: 4, dropout: null } },
    { name: 'b', corpus: { files: ['x', 'y'] }, model: { heads: 8 } },
    undefined,
  ]);
  assert.deepEqual(rows.map(({ field, values, differs }) => [field, ...values, differs]), [
    ['name', 'a', 'b', null, true],
    ['corpus.files', 'x, y', 'x, y', null, false],
    ['model.heads', '4', '8', null, true],
    ['model.dropout', 'null', null, null, true],
  ]);
});

function point(loss: number | 'NaN'): NonNullable<Job['lastMetrics']> {
  return { lineage: 1, generation: 1, step: 1, worldSize: 1, loss, learningRate: 0, tokensPerSecond: 1 };
}
