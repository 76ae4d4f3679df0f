/** A change of the text: what replaces which part, and what is selected then. */
export interface Edit {
  from: number;
  to: number;
  insert: string;
  selectFrom: number;
  selectTo: number;
}

const indent = '  ';

/** What Tab does: spaces at the caret, or all selected lines further right. */
export function indented(text: string, start: number, end: number): Edit {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  if (start === end || !text.slice(start, end).includes('\n')) {
    const insert = ' '.repeat(indent.length - ((start - lineStart) % indent.length));
    return { from: start, to: end, insert, selectFrom: start + insert.length, selectTo: start + insert.length };
  }
  return shifted(text, lineStart, end, start, (line) => (line === '' ? line : indent + line));
}

/** What Shift-Tab does: the lines further left. */
export function outdented(text: string, start: number, end: number): Edit {
  return shifted(text, text.lastIndexOf('\n', start - 1) + 1, end, start, (line) => line.replace(/^(?: {1,2}|\t)/, ''));
}

function shifted(text: string, from: number, end: number, start: number, change: (line: string) => string): Edit {
  // A selection that ends at a line's start does not mean that line.
  const last = end > from && text[end - 1] === '\n' && end > start ? end - 1 : end;
  const lineEnd = text.indexOf('\n', last);
  const to = lineEnd < 0 ? text.length : lineEnd;
  const lines = text.slice(from, to).split('\n');
  const changed = lines.map(change);
  const insert = changed.join('\n');
  const first = changed[0]!.length - lines[0]!.length;
  const selectFrom = Math.max(from, start + first);
  return { from, to, insert, selectFrom, selectTo: start === end ? selectFrom : Math.max(selectFrom, end + insert.length - (to - from)) };
}

/** What Enter does: a new line as far right as this one, further right after a key that begins a section or an open brace. */
export function newLine(text: string, start: number, end: number): Edit {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const before = text.slice(lineStart, start);
  const margin = /^[ \t]*/.exec(before)![0];
  const opens = /(?::|[{[])[ \t]*(?:#.*)?$/.test(before) && !/^[ \t]*#/.test(before);
  const insert = `\n${margin}${opens ? indent : ''}`;
  return { from: start, to: end, insert, selectFrom: start + insert.length, selectTo: start + insert.length };
}
