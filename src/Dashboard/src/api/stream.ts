import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { path, type Refused, refusalOf } from './client';
import type { StreamEvents } from './types';

type EventName = keyof StreamEvents;
type Handler<N extends EventName> = (data: StreamEvents[N]) => void;

interface Subscription {
  /** The topic as it is to be asked for now: a cursor in it has moved on since the last time. */
  topic: () => string;
  event: EventName;
  handler: Handler<EventName>;
}

export type LinkState = 'connecting' | 'live' | 'away' | 'refused';

/** How the page's one connection to the coordinator is. */
export const link = signal<LinkState>('connecting');

/** Why the coordinator refuses the stream; empty unless `link` says so. */
export const refusal = signal('');

/** Why the stream may not be opened again: the session has ended. */
export const ended = signal<string | null>(null);

/** Counts the first connection and each after a loss, not those for other topics; pages that hold what a stream does not bring reload it then. */
export const connections = signal(0);

/** The coordinator's clock less this machine's, in milliseconds. */
export const clockSkew = signal(0);

const eventNames: readonly EventName[] = [
  'hello', 'jobs', 'job', 'metrics', 'samples', 'logs', 'workers', 'corpora', 'events', 'summary', 'gone', 'bye', 'ping',
];
const settleMilliseconds = 30;
const firstRetryMilliseconds = 400;
const longestRetryMilliseconds = 8000;
const silenceMilliseconds = 25_000;

/**
 * One event stream for all that a page shows: browsers allow six connections to a host, so parts of the page that want a topic share it.
 * When the topics change, a new stream is opened from the cursors that have been reached, and the old one is closed.
 */
class LiveStream {
  private readonly subscriptions = new Set<Subscription>();
  private source: EventSource | null = null;
  private opened = '';
  private anew = true;
  private settle: number | undefined;
  private retry: number | undefined;
  private retryAfter = firstRetryMilliseconds;
  private silence: number | undefined;
  private probe = new AbortController();

  subscribe<N extends EventName>(event: N, topic: () => string, handler: Handler<N>): () => void {
    const subscription: Subscription = { topic, event, handler: handler as Handler<EventName> };
    this.subscriptions.add(subscription);
    this.changed();
    return () => {
      this.subscriptions.delete(subscription);
      this.changed();
    };
  }

  /** Opens the stream again, after logging in. */
  restart(): void {
    ended.value = null;
    this.anew = true;
    this.close();
    this.changed();
  }

  private changed(): void {
    clearTimeout(this.settle);
    this.settle = window.setTimeout(() => this.open(false), settleMilliseconds);
  }

  private topics(): string[] {
    return [...new Set([...this.subscriptions].map((subscription) => subscription.topic()))].sort();
  }

  private open(again: boolean): void {
    if (ended.value !== null) return;
    const topics = this.topics();
    // Without cursors: these move on while the stream is open.
    const names = [...new Set(topics.map(withoutCursor))].join('\n');
    if (!again && this.source && names === this.opened) return;
    this.close();
    this.opened = names;
    if (topics.length === 0) return;
    const source = new EventSource(path('/stream', { topic: topics }));
    this.source = source;
    for (const name of eventNames) source.addEventListener(name, (message) => this.receive(name, (message as MessageEvent<string>).data));
    source.onerror = () => this.lost(source);
    this.listen(source);
  }

  private receive(name: EventName, text: string): void {
    if (this.source) this.listen(this.source);
    const data: unknown = JSON.parse(text);
    if (name === 'hello') this.welcome(data as StreamEvents['hello']);
    if (name === 'bye') this.bye(data as StreamEvents['bye']);
    for (const subscription of [...this.subscriptions]) {
      if (subscription.event === name) subscription.handler(data as never);
    }
  }

  private welcome(hello: StreamEvents['hello']): void {
    this.retryAfter = firstRetryMilliseconds;
    clockSkew.value = Date.parse(hello.now) - Date.now();
    link.value = 'live';
    refusal.value = '';
    if (this.anew) connections.value++;
    this.anew = false;
  }

  private bye(bye: StreamEvents['bye']): void {
    if (bye.code === 'unauthenticated' || bye.code === 'permission_denied') {
      ended.value = bye.reason;
      this.close();
    }
  }

  // The browser's own retry would ask for the cursors of the beginning.
  private lost(source: EventSource): void {
    if (source !== this.source) return;
    const asked = source.url;
    this.close();
    this.anew = true;
    const { signal: abort } = (this.probe = new AbortController());
    // EventSource does not tell a refusal from a broken connection.
    void refusalOf(asked, abort).then((refused) => abort.aborted || this.retryAt(refused));
    // While nobody answers, the question may take long.
    if (link.value !== 'refused') link.value = 'away';
  }

  private retryAt(refused: Refused | null): void {
    if (ended.value !== null || refused?.problem.status === 401) return;
    refusal.value = refused ? refused.problem.detail || refused.problem.title : '';
    link.value = refused ? 'refused' : 'away';
    const wait = this.retryAfter * (0.75 + Math.random() / 2);
    this.retryAfter = Math.min(this.retryAfter * 2, longestRetryMilliseconds);
    this.retry = window.setTimeout(() => this.open(true), Math.max(wait, refused?.retryAfter || 0));
  }

  // A connection that is cut without a word is noticed by its silence: the coordinator says at least `ping` every ten seconds.
  private listen(source: EventSource): void {
    clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.lost(source), silenceMilliseconds);
  }

  private close(): void {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.probe.abort();
    this.source?.close();
    this.source = null;
    this.opened = '';
  }
}

// As in metrics:JOB:STEP:LINEAGE:GENERATION, logs:JOB:LINE:RANK, events:NUMBER.
function withoutCursor(topic: string): string {
  const [kind, subject, , rank] = topic.split(':');
  if (kind === 'metrics') return `${kind}:${subject}`;
  return kind === 'events' ? 'events' : [kind, subject, rank].filter((part) => part !== undefined).join(':');
}

export const stream = new LiveStream();

/**
 * Listens to a topic for as long as the component is shown.
 * @param event The event's name.
 * @param topic The topic with its cursor, asked for at every (re)connection; null for none.
 * @param handler Takes each event.
 * @param keys What the topic depends on besides its cursor.
 */
export function useTopic<N extends EventName>(event: N, topic: (() => string) | null, handler: Handler<N>, keys: readonly unknown[]): void {
  useEffect(() => (topic ? stream.subscribe(event, topic, handler) : undefined), keys);
}
