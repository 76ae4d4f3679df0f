import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterEvent, Worker } from '../api/types';
import { match } from '../keys';
import { fits, joined, named, severities, subjectHref, subjectNames } from './events/model';
import { aboutSlot, finds, jobColours, stateOf, toneOf } from './workers/model';

function event(sequence: number, more: Partial<ClusterEvent> = {}): ClusterEvent {
  return { sequence, kind: 'job', subject: 'j-1', name: 'brown', who: 'person:ada', what: 'submitted', why: '', severity: 'info', lineage: 0, generation: 0, step: 0, state: 'queued', ...more };
}

function worker(more: Partial<Worker> = {}): Worker {
  return { name: 'cpu-1', alive: true, host: 'h', processId: 1, address: '10.0.0.1', version: '1', slots: [], draining: false, drained: false, unfit: '', lostMetricPoints: 0, lostLogLines: 0, ...more };
}

const slot = (number: number, jobId = '') => ({ number, device: 'cpu' as const, jobId, rank: 0, bfloat16: false, memoryBytes: 0 });
const none = { kinds: [], severities: [], subject: '', text: '' };

test('events that come twice or out of order are kept once and in order', () => {
  assert.deepEqual(joined([event(2), event(5)], [event(3), event(5), event(1)]).map((one) => one.sequence), [1, 2, 3, 5]);
});

test('which events fit', () => {
  assert.ok(fits(event(1), none));
  assert.ok(fits(event(1, { why: 'Out Of Memory' }), { ...none, text: 'out of' }));
  assert.ok(!fits(event(1), { ...none, severities: ['error'] }));
  assert.ok(!fits(event(1), { ...none, kinds: ['worker'] }));
  assert.ok(!fits(event(1), { ...none, subject: 'j-2' }));
  assert.deepEqual(named('error,else', severities), ['error']);
  assert.equal(subjectHref(event(1, { subject: 'a/b?c' })), '/jobs/a%2Fb%3Fc');
  assert.equal(subjectHref(event(1, { kind: 'coordinator' })), null);
});

test('what subjects of events are called', () => {
  const corpus = { id: 'c1', state: 'ready' as const, files: ['a.txt', 'b.txt'], tokenizer: '', fingerprint: '', folder: '', shards: 1, shardsDone: 1, documents: 1, tokens: 1, vocabularySize: 1, error: '' };
  const names = subjectNames([event(1, { subject: 'brown-aaaaa' }), event(2, { subject: 'brown-bbbbb' }), event(3, { subject: 'brown-aaaaa' }), event(4, { subject: 'tiny-ccccc', name: 'tiny' }), event(5, { kind: 'corpus', subject: 'c1', name: 'c1' })], [corpus]);
  assert.deepEqual([...names], [['brown-aaaaa', 'brown aaaaa'], ['brown-bbbbb', 'brown bbbbb'], ['tiny-ccccc', 'tiny'], ['c1', 'a.txt and 1 more']]);
});

test('what a worker is good for', () => {
  assert.equal(stateOf(worker()), 'alive');
  assert.equal(stateOf(worker({ alive: false, unfit: 'x', draining: true })), 'lost');
  assert.equal(stateOf(worker({ unfit: 'its storage is another' })), 'unfit');
  assert.equal(stateOf(worker({ drained: true })), 'drained');
  assert.equal(stateOf(worker({ drained: true, slots: [slot(0, 'j')] })), 'draining');
  assert.equal(stateOf(worker({ draining: true })), 'draining');
});

test('workers are found by what runs there', () => {
  assert.ok(finds(worker({ slots: [slot(0, 'j-1')] }), 'Brown', () => 'brown'));
  assert.ok(!finds(worker({ slots: [slot(0)] }), 'brown', () => 'brown'));
  assert.ok(finds(worker(), '', () => ''));
  assert.deepEqual([...jobColours([worker({ slots: [slot(0, 'b'), slot(1, 'a'), slot(2), slot(3, 'b')] })])], [['a', 1], ['b', 2]]);
  assert.deepEqual([0.5, 0.8, 0.97].map(toneOf), ['', 'warning', 'error']);
});

test('a slot tells whether it multiplies bf16', () => {
  assert.equal(aboutSlot(slot(0)), 'A share of the processors; no hardware for bf16');
  const gpu = { uuid: 'GPU-1', name: 'A100', memoryBytes: 1 };
  assert.equal(aboutSlot({ ...slot(0), device: 'cuda', gpu, bfloat16: true }), 'A100, GPU-1; multiplies bf16 in hardware');
});

test('keys that are pressed one after the other', () => {
  const list = ['g j', 'j', '?'].map((keys) => ({ keys, what: keys, run: () => undefined }));
  assert.equal(match('g', list), 'more');
  assert.equal(match('g j', list), list[0]);
  assert.equal(match('j', list), list[1]);
  assert.equal(match('g x', list), null);
});
