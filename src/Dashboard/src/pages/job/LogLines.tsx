import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { LogLine } from '../../api/types';
import { ErrorMessage } from '../../components/Messages';
import { full, timeOfDay } from '../../format/times';
import { brief, hits, plain } from './ansi';
import { rowAt, rowTops } from './logBuffer';
import type { LogReader } from './logReader';

export interface LogLinesHandle {
  /** Shows a line at the top; one past the last shows the end. */
  scrollTo(line: number): void;
}

interface Props {
  handle: RefObject<LogLinesHandle | null>;
  reader: LogReader;
  sought: string;
  wrap: boolean;
  times: boolean;
  follow: boolean;
  onFollow: (follow: boolean) => void;
  showRank: boolean;
}

const rowHeight = 20;
const around = 30;
const loadWithin = 1500;
// Of the monospaced font, relative to its size; measured once there is a row.
const firstGuess = 7.3;

/** The lines in a window: only those that can be seen are in the document. */
export function LogLines({ handle, reader, sought, wrap, times, follow, onFollow, showRank }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [window_, setWindow] = useState({ top: 0, height: 600, width: 800 });
  const [character, setCharacter] = useState(firstGuess);
  const { lines, older } = reader.buffer.value;
  const columns = Math.max(10, Math.floor((window_.width - (times ? 96 : 16) - (showRank ? 44 : 0) - 16) / character));
  const tops = useMemo(() => (wrap ? rowTops(lines, columns, rowHeight) : null), [lines, wrap, wrap ? columns : 0]);
  const height = tops ? tops[lines.length]! : lines.length * rowHeight;
  const topOf = (line: number): number => (tops ? (tops[Math.min(line, lines.length)] ?? 0) : line * rowHeight);

  useEffect(() => {
    const element = frame.current!;
    const observer = new ResizeObserver(() => setWindow({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth }));
    observer.observe(element);
    const sample = element.querySelector('.measure');
    if (sample) setCharacter(sample.getBoundingClientRect().width / 100 || firstGuess);
    return () => observer.disconnect();
  }, []);

  // Lines that are put before the first, or go there, move what is shown: it stays where it is.
  const shown = useRef<{ first: number; lines: readonly LogLine[]; topOf: (line: number) => number }>({ first: 0, lines: [], topOf });
  useLayoutEffect(() => {
    const element = frame.current!;
    const earlier = shown.current;
    shown.current = { first: lines[0]?.sequence ?? 0, lines, topOf };
    if (follow) {
      element.scrollTop = element.scrollHeight;
      return;
    }
    if (earlier.lines.length === 0 || earlier.first === shown.current.first) return;
    const added = lines.findIndex((line) => line.sequence === earlier.first);
    if (added > 0) element.scrollTop += topOf(added);
    else {
      const gone = earlier.lines.findIndex((line) => line.sequence === shown.current.first);
      if (gone > 0) element.scrollTop -= earlier.topOf(gone);
    }
  }, [lines, tops, follow, window_.height]);

  handle.current = { scrollTo: (line) => frame.current?.scrollTo({ top: line >= lines.length ? frame.current.scrollHeight : topOf(line) }) };
  const onScroll = (): void => {
    const element = frame.current;
    if (!element) return;
    setWindow({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < rowHeight * 1.5;
    if (atEnd !== follow) onFollow(atEnd);
    if (atEnd) reader.fresh.value = 0;
  };
  useEffect(() => {
    if (older && !reader.loading.value && window_.top < loadWithin && (!follow || height < window_.height)) void reader.loadOlder();
  }, [window_.top, older, lines.length, follow]);

  const from = Math.max(0, rowAt(tops, window_.top, rowHeight, lines.length) - around);
  const to = Math.min(lines.length, rowAt(tops, window_.top + window_.height, rowHeight, lines.length) + around);
  const error = reader.error.value;
  return (
    <div ref={frame} class={`log-frame${wrap ? ' wrap' : ''}`} tabIndex={0} role="log" aria-label="Log lines" aria-live="off" onScroll={onScroll}>
      <span class="measure" aria-hidden="true">{'0'.repeat(100)}</span>
      {lines.length === 0 && (error !== null
        ? <ErrorMessage error={error} retry={() => reader.restart()} />
        : <p class="log-empty">{reader.loading.value || reader.searching.value ? 'Loading…' : sought ? 'No line contains that.' : 'Nothing has been logged yet.'}</p>)}
      <div class="log-space" style={{ height: `${height}px` }}>
        <div class="log-rows" style={{ transform: `translateY(${topOf(from)}px)` }}>
          {lines.slice(from, to).map((line) => <Line key={line.sequence} line={line} sought={sought} times={times} showRank={showRank} />)}
        </div>
      </div>
    </div>
  );
}

function Line({ line, sought, times, showRank }: { line: LogLine; sought: string; times: boolean; showRank: boolean }) {
  const whole = plain(line.text);
  // Unless what is sought would be hidden.
  const short = times ? brief(whole) : whole;
  const text = sought && !short.toLowerCase().includes(sought.toLowerCase()) ? whole : short;
  return (
    <div class={`log-line ${levelOf(text)}`}>
      {times && <time dateTime={line.at ?? ''} title={full(line.at)}>{timeOfDay(line.at)}</time>}
      {showRank && <span class={`log-rank r${(line.rank % 8) + 1}`} title={line.rank < 0 ? `A process on ${line.worker} that has no rank yet` : `Rank ${line.rank} on ${line.worker}, generation ${line.generation}`}>{line.rank < 0 ? '–' : line.rank}</span>}
      <span class="log-text">{hits(text, sought).map((part, i) => (i % 2 ? <mark key={i}>{part}</mark> : part))}</span>
    </div>
  );
}

function levelOf(text: string): string {
  const head = text.slice(0, 80);
  return /\b(?:ERR|FTL|FATAL|ERROR)\b|\bUnhandled exception\b/.test(head) ? 'error' : /\b(?:WRN|WARN|WARNING)\b/.test(head) ? 'warning' : '';
}
