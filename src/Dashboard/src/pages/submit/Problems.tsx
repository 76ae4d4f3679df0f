import { Icon } from '../../components/Icon';
import type { Placed } from './places';
import type { Checked } from './useCheck';

/** What is wrong with the file, and what there is to know; each problem leads to its place. */
export function Problems({ checked, problems, empty, jump }: { checked: Checked; problems: readonly Placed[]; empty: boolean; jump: (problem: Placed) => void }) {
  const notices = checked.answer?.notices ?? [];
  return (
    <div class="verdict">
      <p class={`status ${checked.error ? 'warning' : problems.length > 0 ? 'error' : checked.answer?.problems.length === 0 ? 'good' : ''}`} role="status">{verdict(checked, problems.length, empty)}</p>
      {problems.length > 0 && (
        <ul class="problems" aria-label="Problems">
          {problems.map((one, i) => (
            <li key={i}>
              <button type="button" onClick={() => jump(one)}>
                <Icon name="error" />
                <span class="where number">{one.line > 0 ? `${one.line}:${one.column}` : 'file'}</span>
                <span>{one.problem.field ? <code>{one.problem.field}</code> : 'The job file'} {one.problem.message}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {problems.length === 0 && notices.map((notice) => <p key={notice} class="notice warning"><Icon name="info" /> {notice}</p>)}
    </div>
  );
}

function verdict({ answer, busy, error }: Checked, problems: number, empty: boolean) {
  if (empty) return <>The file is empty: begin with an example, or press <kbd>Ctrl</kbd> <kbd>Space</kbd> for what may stand in it.</>;
  if (error) return <><Icon name="warning" />It could not be checked: {error}</>;
  if (!answer) return <>{busy ? 'Checking…' : ''}</>;
  if (problems > 0) return <><Icon name="error" />{problems === 1 ? 'One problem' : `${problems} problems`}</>;
  if (answer.problems.length > 0) return <>Checking…</>;
  return <><Icon name="check" />No problems</>;
}
