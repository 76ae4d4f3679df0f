import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { ClusterEvent, Corpus } from '../api/types';
import { Chip, Search } from '../components/Filters';
import { Icon } from '../components/Icon';
import { ErrorMessage, Message, Skeleton } from '../components/Messages';
import { query, setQuery } from '../router';
import { useTitle } from '../title';
import { Entry } from './events/Entry';
import { fits, kinds, named, severities, subjectNames } from './events/model';
import { type Events as Loaded, useEvents } from './events/useEvents';

/** What has happened in the cluster: the newest first, live. */
export default function Events() {
  useTitle('Events');
  const filter = {
    kinds: named(query.value.get('kind'), kinds), severities: named(query.value.get('severity'), severities),
    subject: query.value.get('subject') ?? '', text: query.value.get('q') ?? '',
  };
  const loaded = useEvents({ kinds: filter.kinds, subject: filter.subject, text: filter.text });
  const shown = (loaded.events ?? []).filter((event) => fits(event, filter)).reverse();
  const names = useNames(loaded.events ?? []);
  const toggle = (name: string, on: readonly string[], one: string): void =>
    setQuery({ [name]: (on.includes(one) ? on.filter((other) => other !== one) : [...on, one]).join(',') });
  const filtered = filter.kinds.length + filter.severities.length > 0 || filter.subject !== '' || filter.text !== '';
  return (
    <>
      <div class="page-head"><h1>Events</h1></div>
      <div class="filters" role="search" aria-label="Events">
        <div class="chips">
          {kinds.map((kind) => <Chip key={kind} on={filter.kinds.includes(kind)} onClick={() => toggle('kind', filter.kinds, kind)}>{kind}</Chip>)}
        </div>
        <div class="chips">
          {severities.map((one) => <Chip key={one} on={filter.severities.includes(one)} tone={one} onClick={() => toggle('severity', filter.severities, one)}>{one}</Chip>)}
        </div>
        <div class="end">
          {filter.subject && <button class="chip on" type="button" onClick={() => setQuery({ subject: '' })}>of {names.get(filter.subject) ?? filter.subject} <Icon name="close" size={12} /><span class="visually-hidden">: show those of all</span></button>}
          <Search value={filter.text} label="Text" onChange={(text) => setQuery({ q: text })} />
        </div>
      </div>
      {loaded.error !== null && loaded.events === null ? <ErrorMessage error={loaded.error} retry={loaded.retry} />
        : loaded.events === null ? <Skeleton lines={8} />
          : shown.length === 0 && !loaded.more ? (
            filtered
              ? <Message title="No event fits"><button class="button" type="button" onClick={() => setQuery({ kind: '', severity: '', subject: '', q: '' })}>Show all events</button></Message>
              : <Message title="Nothing has happened yet"><p>What happens to jobs, workers and corpora is told here as it happens.</p></Message>
          ) : <Days events={shown} names={names} />}
      <Older loaded={loaded} />
    </>
  );
}

// Which files a corpus is of is not in its events; where it cannot be asked for, its id names it.
function useNames(events: readonly ClusterEvent[]): ReadonlyMap<string, string> {
  const [corpora, setCorpora] = useState<readonly Corpus[]>([]);
  const ids = [...new Set(events.filter((event) => event.kind === 'corpus').map((event) => event.subject))].sort().join();
  useEffect(() => {
    if (!ids) return undefined;
    const abort = new AbortController();
    api.corpora(abort.signal).then(setCorpora, () => undefined);
    return () => abort.abort();
  }, [ids]);
  return useMemo(() => subjectNames(events, corpora), [events, corpora]);
}

function Days({ events, names }: { events: readonly ClusterEvent[]; names: ReadonlyMap<string, string> }) {
  const days = new Map<string, ClusterEvent[]>();
  for (const event of events) {
    const day = dayOf(event.at);
    const before = days.get(day);
    if (before) before.push(event);
    else days.set(day, [event]);
  }
  return (
    <>
      {[...days].map(([day, ofDay]) => (
        <section key={day} class="card day" aria-label={day}>
          <h2>{day}</h2>
          <ul class="events">{ofDay.map((event) => <Entry key={event.sequence} event={event} names={names} />)}</ul>
        </section>
      ))}
    </>
  );
}

// Older ones are loaded when the end comes into sight, and by the button for those who do not scroll.
function Older({ loaded }: { loaded: Loaded }) {
  const end = useRef<HTMLDivElement>(null);
  const older = useRef(loaded.older);
  older.current = loaded.older;
  const wanted = loaded.more && !loaded.busy && loaded.error === null;
  useEffect(() => {
    if (!wanted || !end.current) return undefined;
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && older.current(), { rootMargin: '600px' });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [wanted]);
  if (loaded.events === null || !loaded.more) return null;
  return (
    <div class="older" ref={end}>
      {loaded.error !== null && <span class="bad" role="alert">Older events could not be loaded.</span>}
      <button class="button" type="button" disabled={loaded.busy} onClick={loaded.older}>{loaded.busy ? 'Loading…' : 'Older events'}</button>
    </div>
  );
}

const dayFormat = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

function dayOf(at: string | undefined): string {
  return at ? dayFormat.format(new Date(at)) : 'Unknown';
}
