import type { JobDetails } from '../../api/types';
import { save } from '../../charts/export';
import { Icon } from '../../components/Icon';
import { toast, toastError } from '../../components/Toasts';
import { query, setQuery } from '../../router';
import { session } from '../../session';
import { toYaml } from './yaml';

/** All settings of the job, resolved. */
export function File({ details: { job, jobFile } }: { details: JobDetails }) {
  const json = query.value.get('as') === 'json';
  const text = json ? JSON.stringify(jobFile, null, 2) : toYaml(jobFile);
  const copy = (): void => void navigator.clipboard.writeText(text).then(() => toast('Copied'), toastError);
  return (
    <section class="card job-file">
      <header>
        <h2>Job file</h2>
        <span class="muted">with all settings resolved, as the job runs with them</span>
        <span class="end">
          <span class="segments" role="group" aria-label="Format">
            <button type="button" aria-pressed={!json} onClick={() => setQuery({ as: undefined })}>YAML</button>
            <button type="button" aria-pressed={json} onClick={() => setQuery({ as: 'json' })}>JSON</button>
          </span>
          <button type="button" class="button" onClick={copy}><Icon name="copy" />Copy</button>
          <button type="button" class="button" onClick={() => save(`${job.name}.${json ? 'json' : 'yaml'}`, new Blob([text], { type: 'text/plain' }))}><Icon name="download" />Save</button>
          {session.may('submitter') && <a class="button" href={`/submit?from=${encodeURIComponent(job.id)}`}>Clone and edit</a>}
        </span>
      </header>
      <pre tabIndex={0} aria-label="Settings"><code>{text.split('\n').map((line, i) => <Line key={i} text={line} />)}</code></pre>
    </section>
  );
}

// The key apart from its value, so that the eye finds it.
function Line({ text }: { text: string }) {
  const match = /^(\s*)("?[\w-]+"?)(:)(.*)$/.exec(text);
  return match ? <span class="code-line">{match[1]}<span class="key">{match[2]}</span>{match[3]}<span class="given">{match[4]}</span>{'\n'}</span> : <span class="code-line">{text}{'\n'}</span>;
}
