import type { ClusterEvent, Corpus, Severity } from '../../api/types';
import { labelsOf } from '../../jobs/names';
import { title } from '../corpora/model';

export type EventKind = ClusterEvent['kind'];

export const kinds: readonly EventKind[] = ['job', 'worker', 'corpus', 'coordinator'];
export const severities: readonly Severity[] = ['info', 'warning', 'error'];

/** The most events that are kept in the page. */
export const mostEvents = 5000;

export interface EventFilter {
  kinds: readonly EventKind[];
  severities: readonly Severity[];
  subject: string;
  text: string;
}

/** Whether an event is to be shown: by the coordinator's own rules, and by its severity, which the coordinator does not look at. */
export function fits(event: ClusterEvent, filter: EventFilter): boolean {
  const wanted = filter.text.toLowerCase();
  return (filter.kinds.length === 0 || filter.kinds.includes(event.kind))
    && (filter.severities.length === 0 || filter.severities.includes(event.severity))
    && (!filter.subject || event.subject === filter.subject)
    && (!wanted || [event.name, event.who, event.what, event.why, event.subject].some((one) => one.toLowerCase().includes(wanted)));
}

/** Joins events that came by different ways, in order, each once. */
export function joined(some: readonly ClusterEvent[], more: readonly ClusterEvent[]): ClusterEvent[] {
  const bySequence = new Map<number, ClusterEvent>();
  for (const event of [...some, ...more]) bySequence.set(event.sequence, event);
  return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
}

/** What the subjects of events are called: jobs of one name with their short ids, corpora by their files where they are known. */
export function subjectNames(events: readonly ClusterEvent[], corpora: readonly Corpus[]): ReadonlyMap<string, string> {
  const jobs = events.filter((event) => event.kind === 'job').map(({ subject, name }) => ({ id: subject, name: name || subject }));
  return new Map([...labelsOf(jobs), ...corpora.map((corpus) => [corpus.id, title(corpus)] as const)]);
}

/** Where the subject of an event is looked at; null where there is no page of it. */
export function subjectHref(event: ClusterEvent): string | null {
  switch (event.kind) {
    case 'job': return `/jobs/${encodeURIComponent(event.subject)}`;
    case 'worker': return `/workers?q=${encodeURIComponent(event.subject)}`;
    case 'corpus': return '/corpora';
    default: return null;
  }
}

/** Those that a query's text names. */
export function named<T extends string>(text: string | null, all: readonly T[]): T[] {
  const words = (text ?? '').split(',');
  return all.filter((one) => words.includes(one));
}
