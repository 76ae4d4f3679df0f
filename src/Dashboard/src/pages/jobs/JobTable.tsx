import type { Job } from '../../api/types';
import { type Sort, SortHead } from '../../components/Table';
import { Row } from './Row';

interface Props {
  jobs: readonly Job[];
  sort: Sort;
  selected: ReadonlySet<string>;
  select: (id: string, on: boolean, range: boolean) => void;
  selectAll: (on: boolean) => void;
}

/** The jobs, a row each; on a narrow screen a card each. */
export function JobTable({ jobs, sort, selected, select, selectAll }: Props) {
  if (jobs.length === 0) return null;
  const all = jobs.every((job) => selected.has(job.id));
  return (
    <div class="card table-frame">
      <table class="data jobs">
        <thead>
          <tr>
            <th class="tick"><input type="checkbox" aria-label="Select all" checked={all} ref={(box) => { if (box) box.indeterminate = !all && selected.size > 0; }} onClick={(event) => selectAll(event.currentTarget.checked)} /></th>
            <SortHead by="name" sort={sort}>Job</SortHead>
            <SortHead by="state" sort={sort}>State</SortHead>
            <SortHead by="progress" sort={sort} down>Progress</SortHead>
            <th>Loss so far</th>
            <SortHead by="loss" sort={sort} right>Loss</SortHead>
            <SortHead by="tokens" sort={sort} right down>Tokens/s</SortHead>
            <SortHead by="ranks" sort={sort} right down>Ranks</SortHead>
            <SortHead by="age" sort={sort} right>Age</SortHead>
            <SortHead by="owner" sort={sort}>Owner</SortHead>
            <SortHead by="priority" sort={sort} right down>Priority</SortHead>
            <th><span class="visually-hidden">Actions</span></th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => <Row key={job.id} job={job} selected={selected.has(job.id)} select={select} />)}
        </tbody>
      </table>
    </div>
  );
}
