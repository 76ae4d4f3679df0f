import type { HistoryEntry, JobDetails } from '../../api/types';
import { isFailure } from '../../charts/marks';
import { Chip } from '../../components/Filters';
import { Message } from '../../components/Messages';
import { count } from '../../format/numbers';
import { who } from '../../format/people';
import { full, timeOfDay } from '../../format/times';
import { query, setQuery } from '../../router';

const mostShown = 1000;
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full' });

/** What has happened to the job, newest first. */
export function History({ details: { job, history } }: { details: JobDetails }) {
  const people = query.value.get('who') === 'people';
  const shown = history.filter((entry) => !people || entry.who.startsWith('person:'));
  const newest = shown.slice(-mostShown).reverse();
  let date = '';
  return (
    <>
      <div class="filters">
        <div class="chips">
          <Chip on={!people} count={history.length} onClick={() => setQuery({ who: undefined })}>Everything</Chip>
          <Chip on={people} count={history.filter((entry) => entry.who.startsWith('person:')).length} onClick={() => setQuery({ who: 'people' })}>By people</Chip>
        </div>
      </div>
      {newest.length === 0 && <Message title="Nothing here"><p>Nobody has changed the job yet.</p></Message>}
      <ol class="timeline">
        {newest.map((entry) => {
          const its = entry.at ? day.format(new Date(entry.at)) : '';
          const head = its !== date ? <li key={its} class="day"><h2>{its}</h2></li> : null;
          date = its;
          return <>{head}<Entry key={entry.sequence} entry={entry} job={job.id} /></>;
        })}
      </ol>
      {shown.length > mostShown && <p class="muted">{count(shown.length - mostShown)} older ones are not shown.</p>}
    </>
  );
}

function Entry({ entry, job }: { entry: HistoryEntry; job: string }) {
  return (
    <li class={`entry ${toneOf(entry)}`}>
      <time dateTime={entry.at ?? ''} title={full(entry.at)}>{timeOfDay(entry.at)}</time>
      <div>
        <p class="what">{entry.what}</p>
        {entry.why && <p class="why">{entry.why}</p>}
        <p class="muted where">
          <span>{who(entry.who)}</span>
          {entry.step > 0 && <a href={`/jobs/${encodeURIComponent(job)}?step=${entry.step}`} title="Show in the charts">step {count(entry.step)}</a>}
          {entry.generation > 0 && <span>generation {entry.generation}</span>}
          {entry.lineage > 0 && <span>lineage {entry.lineage}</span>}
        </p>
      </div>
    </li>
  );
}

function toneOf(entry: HistoryEntry): string {
  if (isFailure(entry)) return 'failed';
  if (/\b(slow|lineage|back)\b/i.test(entry.what)) return 'paused';
  return entry.state === 'unspecified' ? '' : entry.state;
}
