import type { ClusterEvent } from '../../api/types';
import { Icon } from '../../components/Icon';
import { who } from '../../format/people';
import { count } from '../../format/numbers';
import { full, timeOfDay } from '../../format/times';
import { setQuery } from '../../router';
import { subjectHref } from './model';

/** Something that has happened. */
export function Entry({ event, names }: { event: ClusterEvent; names: ReadonlyMap<string, string> }) {
  const href = subjectHref(event);
  const name = names.get(event.subject) || event.name || event.subject || event.kind;
  return (
    <li class={`event ${event.severity}`}>
      <time dateTime={event.at} title={full(event.at)} class="number">{timeOfDay(event.at)}</time>
      <span class="sign"><Icon name={event.severity} /><span class="visually-hidden">{event.severity}</span></span>
      <span class="subject">
        <span class="kind">{event.kind}</span>
        {href ? <a href={href} title={event.subject}>{name}</a> : event.kind !== 'coordinator' && <span>{name}</span>}
        {event.subject && <button class="button plain square only" type="button" title={`Only events of this ${event.kind}`} aria-label={`Only events of ${name}`} onClick={() => setQuery({ subject: event.subject })}><Icon name="search" size={13} /></button>}
      </span>
      <span class="what">
        <span>{event.what}</span>
        {event.why && <span class="why">{event.why}</span>}
      </span>
      <span class="meta number">
        {event.step > 0 && <span>step {count(event.step)}</span>}
        {event.generation > 0 && <span title={`Lineage ${event.lineage}, generation ${event.generation}`}>g{event.generation}{event.lineage > 0 ? ` l${event.lineage}` : ''}</span>}
        {event.who !== 'coordinator' && <span class="who">{who(event.who)}</span>}
      </span>
    </li>
  );
}
