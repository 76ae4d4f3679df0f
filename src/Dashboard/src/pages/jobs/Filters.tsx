import type { JobState } from '../../api/types';
import { Chip, Search } from '../../components/Filters';
import { Icon } from '../../components/Icon';
import { type Filter, fitsBesidesState, states } from '../../jobs/list';
import { setQuery } from '../../router';
import { session } from '../../session';
import { jobs, summary } from '../../stores/live';

/** What of the jobs is shown; the query keeps it. */
export function JobFilters({ filter }: { filter: Filter }) {
  const me = session.value.state === 'in' ? session.value.who : null;
  const mine = me !== null && me.tokenId !== '';
  const counts = countStates(filter);
  const toggle = (state: JobState): void => {
    const on = filter.states.includes(state);
    setQuery({ state: (on ? filter.states.filter((one) => one !== state) : [...filter.states, state]).join(',') });
  };
  const other = filter.owner && (!mine || filter.owner !== me.user);
  return (
    <div class="filters" role="search" aria-label="Jobs">
      <div class="chips">
        <Chip on={filter.states.length === 0} count={sum(counts)} onClick={() => setQuery({ state: '' })}>All</Chip>
        {states.filter((state) => (counts.get(state) ?? 0) > 0 || filter.states.includes(state)).map((state) => (
          <Chip key={state} on={filter.states.includes(state)} count={counts.get(state) ?? 0} tone={state} onClick={() => toggle(state)}>{state}</Chip>
        ))}
      </div>
      <div class="end">
        {other && <button class="chip on" type="button" onClick={() => setQuery({ owner: '' })}>of {filter.owner} <Icon name="close" size={12} /><span class="visually-hidden">: show those of all owners</span></button>}
        {mine && (
          <div class="segments" role="group" aria-label="Owner">
            <button type="button" aria-pressed={!filter.owner} onClick={() => setQuery({ owner: '' })}>Everyone</button>
            <button type="button" aria-pressed={filter.owner === me.user} onClick={() => setQuery({ owner: me.user })}>Mine</button>
          </div>
        )}
        <Search value={filter.text} label="Name or id" onChange={(text) => setQuery({ q: text })} />
      </div>
    </div>
  );
}

// Of the whole cluster, unless the filter looks at more than the state.
function countStates(filter: Filter): Map<JobState, number> {
  if (!filter.text && !filter.owner && summary.value) return new Map(summary.value.jobs.map((one) => [one.state, one.count]));
  const counts = new Map<JobState, number>();
  for (const job of jobs.value?.values() ?? []) if (fitsBesidesState(job, filter)) counts.set(job.state, (counts.get(job.state) ?? 0) + 1);
  return counts;
}

function sum(counts: ReadonlyMap<JobState, number>): number {
  return [...counts.values()].reduce((total, one) => total + one, 0);
}
