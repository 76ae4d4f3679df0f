import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stream } from '../api/stream';

// A stream that shows which topics it was opened for.
const opened: string[][] = [];
class FakeSource {
  static last: FakeSource;
  onerror: (() => void) | null = null;
  readonly listeners = new Map<string, (message: { data: string }) => void>();
  constructor(url: string) {
    FakeSource.last = this;
    opened.push(new URL(url, 'http://localhost').searchParams.getAll('topic'));
  }
  addEventListener(name: string, listener: (message: { data: string }) => void): void {
    this.listeners.set(name, listener);
  }
  close(): void { /* nothing is open */ }
}
const nothing = { jobId: 'j', stepsPerBucket: 1, firstStep: [], lastStep: [], count: [], at: [], series: [], oldestStep: 0, newestStep: 0 };
Object.assign(globalThis, {
  EventSource: FakeSource,
  fetch: () => Promise.resolve(new Response(JSON.stringify(nothing), { headers: { 'Content-Type': 'application/json' } })),
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a run that goes on in another stream tells who made its last step, which alone opens none', async () => {
  const { LiveRun } = await import('./run');
  const run = new LiveRun('j', undefined);
  await run.start();
  await until(() => opened.length === 1);
  assert.deepEqual(opened[0], ['metrics:j:0']);
  const point = { lineage: 1, generation: 3, step: 7, at: '2026-01-01T00:00:00Z', worldSize: 1, loss: 2, learningRate: 0.1, tokensPerSecond: 5 };
  FakeSource.last.listeners.get('metrics')!({ data: JSON.stringify({ jobId: 'j', lineage: 1, generation: 3, points: [point] }) });
  const same = stream.subscribe('metrics', () => 'metrics:j:7:1:3', () => undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(opened.length, 1, 'the cursor alone is no other topic');
  const stop = stream.subscribe('workers', () => 'workers', () => undefined);
  await until(() => opened.length === 2);
  assert.deepEqual(opened[1], ['metrics:j:7:1:3', 'workers']);
  run.stop();
  same();
  stop();
});
