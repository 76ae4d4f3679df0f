import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client';
import { useTopic } from '../../api/stream';
import type { ClusterEvent } from '../../api/types';
import { type EventFilter, joined, mostEvents } from './model';

const pageSize = 100;

interface Loaded {
  /** Oldest first. */
  events: readonly ClusterEvent[];
  /** Whether there are older ones. */
  more: boolean;
  /** Older ones are before this event, which the last search looked at; 0 for the oldest that is here. */
  lookedTo: number;
  /** The newest event that is known, whether or not it is shown: the stream goes on after it. */
  newest: number;
}

export interface Events {
  /** Oldest first; null before the first answer. */
  events: readonly ClusterEvent[] | null;
  more: boolean;
  busy: boolean;
  error: unknown;
  older: () => void;
  retry: () => void;
}

/** The newest events that fit, live, with older ones on demand. */
export function useEvents(filter: Omit<EventFilter, 'severities'>): Events {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [again, setAgain] = useState(0);
  const newest = useRef(0);
  const aborts = useRef<AbortController | null>(null);
  const key = JSON.stringify([filter, again]);
  const query = useMemo(() => ({ kind: filter.kinds, subject: filter.subject, contains: filter.text, newest: true, pageSize }), [key]);

  const load = (before: number | undefined): void => {
    aborts.current?.abort();
    const { signal } = (aborts.current = new AbortController());
    setBusy(true);
    setError(null);
    api.events({ ...query, before }, signal).then(
      (page) => {
        setLoaded((known) => {
          const events = before && known ? joined(page.events, known.events) : page.events;
          newest.current = Math.max(before ? newest.current : 0, events.at(-1)?.sequence ?? 0);
          return { events, more: page.more, lookedTo: page.lookedTo, newest: newest.current };
        });
        setBusy(false);
      },
      (problem: unknown) => {
        if (signal.aborted) return;
        setError(problem);
        setBusy(false);
      },
    );
  };
  useEffect(() => {
    load(undefined);
    return () => aborts.current?.abort();
  }, [key]);
  useTopic('events', loaded ? () => `events:${newest.current}` : null, ({ events }) => {
    newest.current = Math.max(newest.current, events.at(-1)?.sequence ?? 0);
    setLoaded((known) => {
      if (!known) return known;
      const all = joined(known.events, events);
      const kept = all.slice(-mostEvents);
      return { ...known, events: kept, lookedTo: kept.length < all.length ? 0 : known.lookedTo, newest: newest.current };
    });
  }, [loaded !== null]);

  return {
    events: loaded?.events ?? null,
    more: loaded?.more ?? false,
    busy,
    error,
    older: () => load(loaded?.lookedTo || loaded?.events[0]?.sequence),
    retry: () => setAgain(again + 1),
  };
}
