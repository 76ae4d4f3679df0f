import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onUnauthenticated, retryAfter } from './client';
import { connections, ended, link, refusal, stream } from './stream';

class FakeSource {
  static readonly all: FakeSource[] = [];
  onerror: (() => void) | null = null;
  closed = false;
  private readonly listeners = new Map<string, (message: { data: string }) => void>();

  constructor(readonly url: string) {
    FakeSource.all.push(this);
  }

  get topics(): string[] {
    return new URL(this.url, 'http://localhost').searchParams.getAll('topic');
  }

  addEventListener(name: string, listener: (message: { data: string }) => void): void {
    this.listeners.set(name, listener);
  }

  close(): void {
    this.closed = true;
  }

  say(name: string, data: unknown): void {
    this.listeners.get(name)!({ data: JSON.stringify(data) });
  }
}

Object.assign(globalThis, { EventSource: FakeSource });

// Waits for the stream's own delays, however long the machine takes.
async function source(number: number): Promise<FakeSource> {
  while (FakeSource.all.length < number) await new Promise((resolve) => setTimeout(resolve, 5));
  return FakeSource.all[number - 1]!;
}

const hello = { epoch: 1, version: '1', now: new Date().toISOString() };

test('one stream for all topics, which goes on from its cursors after a loss and for other topics', async () => {
  let last = 7;
  const seen: unknown[] = [];
  const stopEvents = stream.subscribe('events', () => `events:${last}`, ({ events }) => {
    seen.push(...events);
    last += events.length;
  });
  const stopJobs = stream.subscribe('jobs', () => 'jobs', () => undefined);
  const first = await source(1);
  assert.deepEqual(first.topics, ['events:7', 'jobs']);
  first.say('hello', hello);
  assert.equal(link.value, 'live');
  assert.equal(connections.value, 1);
  first.say('events', { events: [{ sequence: 8 }] });
  assert.deepEqual(seen, [{ sequence: 8 }]);

  first.onerror!();
  assert.equal(link.value, 'away');
  assert.ok(first.closed);
  const second = await source(2);
  assert.deepEqual(second.topics, ['events:8', 'jobs'], 'from where it was');
  second.say('hello', hello);
  assert.equal(connections.value, 2);

  stopJobs();
  const third = await source(3);
  assert.ok(second.closed);
  assert.deepEqual(third.topics, ['events:8']);
  third.say('hello', hello);
  assert.equal(connections.value, 2, 'other topics are no new connection');

  first.onerror!();
  assert.equal(link.value, 'live', 'what a closed stream says does not count');
  third.say('bye', { reason: 'The session has ended.', code: 'unauthenticated' });
  assert.equal(ended.value, 'The session has ended.');
  assert.ok(third.closed);
  stopEvents();
});

function answer(status: number, detail: string): void {
  globalThis.fetch = async () => new Response(JSON.stringify({ title: 'No', detail, code: '' }), { status, headers: { 'Retry-After': '0' } });
}

test('a refusal is told by its own words and tried again; one of the session ends it', async () => {
  const known = globalThis.fetch;
  const ends: string[] = [];
  onUnauthenticated((why) => ends.push(why));
  const count = FakeSource.all.length;
  stream.restart();
  const stop = stream.subscribe('jobs', () => 'jobs', () => undefined);
  answer(429, 'There are too many streams of ada.');
  (await source(count + 1)).onerror!();
  const second = await source(count + 2);
  assert.equal(link.value, 'refused');
  assert.equal(refusal.value, 'There are too many streams of ada.');
  second.say('hello', hello);
  assert.equal(link.value, 'live');
  assert.equal(refusal.value, '');
  answer(401, 'The token has expired.');
  second.onerror!();
  while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(ends, ['The token has expired.']);
  stop();
  globalThis.fetch = known;
});

test('when a refusal may be tried again', () => {
  assert.equal(retryAfter('3'), 3000);
  assert.equal(retryAfter('Tue, 01 Jan 2030 00:00:05 GMT', Date.parse('2030-01-01T00:00:00Z')), 5000);
  assert.ok(Number.isNaN(retryAfter(null)));
  assert.ok(Number.isNaN(retryAfter('soon')));
});
