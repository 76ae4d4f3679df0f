import { useMemo } from 'preact/hooks';
import { lineStarts, type Placed } from './places';
import { read, type Token } from './yaml';

// Job files have some kilobytes; what is this long is no job file, and is to be typed into all the same.
const mostColoured = 200_000;

interface Piece {
  text: string;
  look: string;
}

/** The text in colours, with its problems underlined: lies beneath the field that is written into, which shows nothing but its caret. */
export function Code({ text, problems, current }: { text: string; problems: readonly Placed[]; current: number }) {
  const tokens = text.length > mostColoured ? [] : read(text).tokens;
  const starts = lineStarts(text);
  let next = 0;
  return (
    <pre class="code" aria-hidden="true">
      {starts.map((start, i) => {
        const end = i + 1 < starts.length ? starts[i + 1]! - 1 : text.length;
        const first = next;
        while (next < tokens.length && tokens[next]!.from < end) next++;
        const worst = problems.some((one) => one.line === i + 1);
        return <Line key={i} number={i + 1} look={`${worst ? 'faulty' : ''} ${i + 1 === current ? 'current' : ''}`} pieces={piecesOf(text, start, end, tokens.slice(first, next), problems)} />;
      })}
    </pre>
  );
}

// A line that is as it was is not drawn again.
function Line({ number, look, pieces }: { number: number; look: string; pieces: Piece[] }) {
  return useMemo(
    () => <div class={`line ${look}`} data-number={number}>{pieces.map((piece, i) => (piece.look ? <span key={i} class={piece.look}>{piece.text}</span> : piece.text))}</div>,
    [number, look, JSON.stringify(pieces)],
  );
}

// A line cut where a colour or an underline begins or ends.
function piecesOf(text: string, start: number, end: number, tokens: readonly Token[], problems: readonly Placed[]): Piece[] {
  const bad = problems.filter((one) => one.to > one.from && one.from < end && one.to > start);
  const cuts = [...new Set([start, end, ...[...tokens, ...bad].flatMap((one) => [one.from, one.to])])].filter((at) => at >= start && at <= end).sort((a, b) => a - b);
  const pieces: Piece[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const from = cuts[i]!;
    const kind = tokens.find((one) => one.from <= from && from < one.to)?.kind;
    const wrong = bad.some((one) => one.from <= from && from < one.to);
    pieces.push({ text: text.slice(from, cuts[i + 1]), look: [kind && `y-${kind}`, wrong && 'y-wrong'].filter(Boolean).join(' ') });
  }
  return pieces;
}
