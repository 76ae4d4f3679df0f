import type { JobFileProblem } from '../../api/types';
import { read } from './yaml';

/** A problem and the part of the text that it is about; `from` and `to` are the same where that is not known. */
export interface Placed {
  problem: JobFileProblem;
  /** From 1 on; 0 for the file as a whole. */
  line: number;
  column: number;
  from: number;
  to: number;
}

/** Finds what each problem is about, in the order of the text. */
export function placed(text: string, problems: readonly JobFileProblem[]): Placed[] {
  const starts = lineStarts(text);
  return problems.map((problem) => place(text, starts, problem)).sort((a, b) => a.from - b.from);
}

/** Takes places along with a change of the text, until the newer text has been checked: those within the change are given up. */
export function moved(places: readonly Placed[], before: string, after: string): Placed[] {
  if (before === after) return [...places];
  const shortest = Math.min(before.length, after.length);
  let head = 0;
  while (head < shortest && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shortest - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const starts = lineStarts(after);
  return places.flatMap((one) => {
    if (one.line === 0 || one.to < head) return [one];
    if (one.from <= before.length - tail) return [];
    const from = one.from + after.length - before.length;
    const line = starts.filter((start) => start <= from).length;
    return [{ ...one, from, to: one.to + after.length - before.length, line, column: from - starts[line - 1]! + 1 }];
  });
}

/** Where each line begins. */
export function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function place(text: string, starts: readonly number[], problem: JobFileProblem): Placed {
  let { line, column } = problem;
  if (line === 0) {
    // Something that is missing is missing in the nearest section that there is.
    const key = nearest(text, problem.field);
    if (!key) return { problem, line: 0, column: 0, from: 0, to: 0 };
    line = starts.filter((start) => start <= key.from).length;
    column = key.from - starts[line - 1]! + 1;
  }
  line = Math.min(line, starts.length);
  const start = starts[line - 1]!;
  const end = line < starts.length ? starts[line]! - 1 : text.length;
  const from = Math.min(end, start + Math.max(0, column - 1));
  const token = read(text).tokens.find((one) => one.from <= from && from < one.to);
  const to = token && token.kind !== 'mark' ? token.to : Math.min(end, from + 1);
  // At a line's end there is nothing to underline but what stands before.
  return { problem, line, column: from - start + 1, from: to > from ? from : Math.max(start, from - 1), to };
}

function nearest(text: string, field: string): { from: number } | null {
  const { keys } = read(text);
  for (let path = field.split('.').filter(Boolean); path.length > 0; path = path.slice(0, -1)) {
    const found = keys.find((key) => key.path.length === path.length && key.path.every((name, i) => name === path[i]));
    if (found) return found;
  }
  return null;
}
