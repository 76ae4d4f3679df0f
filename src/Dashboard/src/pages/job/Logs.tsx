import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { downloads } from '../../api/client';
import type { JobDetails } from '../../api/types';
import { Search } from '../../components/Filters';
import { Icon } from '../../components/Icon';
import { count } from '../../format/numbers';
import { query, setQuery } from '../../router';
import { lineAt } from './logBuffer';
import { LogLines, type LogLinesHandle } from './LogLines';
import { LogReader } from './logReader';

/** The job's log: it follows the end until it is scrolled away from there. */
export function Logs({ id, details }: { id: string; details: JobDetails | null }) {
  const rankText = query.value.get('rank');
  const rank = rankText === null || rankText === '' ? undefined : Number(rankText);
  const sought = query.value.get('q') ?? '';
  const narrow = window.matchMedia('(max-width: 720px)').matches;
  const wrap = (query.value.get('wrap') ?? (narrow ? '1' : '0')) === '1';
  const times = query.value.get('times') !== '0';
  const reader = useMemo(() => new LogReader(id, rank, sought), [id, rank, sought]);
  useEffect(() => {
    reader.start();
    return () => reader.stop();
  }, [reader]);
  const list = useRef<LogLinesHandle>(null);
  const [follow, setFollow] = useState(true);
  useEffect(() => setFollow(true), [reader]);
  const { lines, newer } = reader.buffer.value;
  const ranks = Math.max(details?.job.ranksMax ?? 0, 1 + Math.max(-1, ...(details?.ranks ?? []).map((one) => one.rank)), rank === undefined ? 0 : rank + 1);

  const toGeneration = async (text: string): Promise<void> => {
    const generation = details?.generations.find((one) => `${one.generation}` === text);
    if (!generation?.startedAt) return;
    setFollow(false);
    await reader.backTo(Date.parse(generation.startedAt));
    list.current?.scrollTo(lineAt(reader.buffer.value.lines, Date.parse(generation.startedAt)));
  };
  const toEnd = (): void => {
    if (newer) reader.restart();
    setFollow(true);
    list.current?.scrollTo(lines.length);
  };
  return (
    <section class="card logs">
      <header>
        <Search value={sought} label="Search the log" onChange={(text) => setQuery({ q: text })} />
        <select class="field" aria-label="Rank" value={rankText ?? ''} onChange={(event) => setQuery({ rank: event.currentTarget.value })}>
          <option value="">All ranks</option>
          {Array.from({ length: Math.min(ranks, 512) }, (_, i) => <option key={i} value={i}>Rank {i}</option>)}
        </select>
        {(details?.generations.length ?? 0) > 0 && (
          <select class="field" aria-label="Jump to a generation" value="" onChange={(event) => void toGeneration(event.currentTarget.value)}>
            <option value="">Jump to…</option>
            {details?.generations.map((one) => <option key={one.generation} value={one.generation}>Generation {one.generation} (step {count(one.firstStep)})</option>)}
          </select>
        )}
        <label class="option"><input type="checkbox" checked={wrap} onChange={() => setQuery({ wrap: wrap === narrow ? (wrap ? '0' : '1') : undefined })} />Wrap</label>
        <label class="option"><input type="checkbox" checked={times} onChange={() => setQuery({ times: times ? '0' : undefined })} />Times</label>
        <span class="end">
          <button type="button" class="button small" aria-pressed={follow} onClick={follow ? () => setFollow(false) : toEnd}><Icon name="down" size={13} />{follow ? 'Following' : 'Follow'}</button>
          <a class="button small" href={downloads.log(id, rank)} download><Icon name="download" size={13} />Download</a>
        </span>
      </header>
      <LogLines handle={list} reader={reader} sought={sought} wrap={wrap} times={times} follow={follow} onFollow={setFollow} showRank={rank === undefined} />
      <p class="log-foot muted number" role="status">
        {sought ? reader.searching.value ? `Searching… ${count(lines.length)} found so far` : `${count(lines.length)} found${reader.buffer.value.older ? ', scroll up for more' : ''}` : `${count(lines.length)} lines${reader.buffer.value.older ? ', scroll up for older ones' : ', from the beginning'}`}
        {reader.skipped.value > 0 && ` · ${count(reader.skipped.value)} came too fast to be shown; the download has them`}
        {!follow && reader.fresh.value > 0 && <button type="button" class="button small" onClick={toEnd}>{count(reader.fresh.value)} new below</button>}
      </p>
    </section>
  );
}
