export type TokenKind = 'key' | 'text' | 'string' | 'number' | 'word' | 'mark' | 'comment';

/** A piece of the text that has a colour of its own; positions count UTF-16 units. */
export interface Token {
  from: number;
  to: number;
  kind: TokenKind;
}

/** A key and where its name stands, quotes left out. */
export interface Key {
  path: readonly string[];
  from: number;
  to: number;
}

/** What stands at the text's end: a key that is being typed into a section, the value of a field, or something else such as a comment. */
export interface Place {
  at: 'key' | 'value' | 'none';
  /** Of the section, or of the field. */
  path: readonly string[];
  /** Where what is being typed begins. */
  from: number;
  /** Inside of braces or brackets. */
  flow: boolean;
}

export interface Reading {
  tokens: Token[];
  keys: Key[];
  place: Place;
}

interface Frame {
  open: '{' | '[';
  path: readonly string[];
  key: string | null;
}

const numberLike = /^[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i;
const wordLike = /^(?:true|false|null|~)$/i;
const blockKey = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s#:{}[\],"'][^:#]*?))[ \t]*:(?=[ \t]|$)/;

/**
 * Reads as much of YAML as job files have: mappings by indentation or in braces (so JSON too), lists, scalars in one line, comments.
 * What is not finished, or wrong, is read as far as it goes: this is for colours and completion; the coordinator checks.
 */
export function read(text: string): Reading {
  return new Reader(text).run();
}

class Reader {
  private readonly tokens: Token[] = [];
  private readonly keys: Key[] = [];
  private readonly block: { indent: number; key: string }[] = [];
  private readonly flow: Frame[] = [];
  private scalar: number | null = null;
  private place: Place = { at: 'key', path: [], from: 0, flow: false };

  constructor(private readonly text: string) {}

  run(): Reading {
    let start = 0;
    for (const line of this.text.split('\n')) {
      this.line(start, start + line.length);
      start += line.length + 1;
    }
    return { tokens: this.tokens, keys: this.keys, place: this.place };
  }

  private line(start: number, end: number): void {
    let at = this.skip(start, end);
    if (this.flow.length === 0) {
      if (at === end) {
        this.leave(at - start);
        return this.here('key', at);
      }
      if (this.text[at] !== '#') at = this.blockStart(start, at, end);
      if (at < 0) return;
    }
    this.values(at, end);
  }

  // The dash and the key that a line begins with; -1 where there is neither.
  private blockStart(start: number, at: number, end: number): number {
    let item = false;
    while (this.text[at] === '-' && (at + 1 === end || this.text[at + 1] === ' ')) {
      // A list may stand as far left as its key.
      this.leave(at - start + 1);
      this.token(at, at + 1, 'mark');
      at = this.skip(at + 1, end);
      item = true;
    }
    if (item) return at;
    this.leave(at - start);
    const line = this.text.slice(at, end);
    const found = blockKey.exec(line);
    if (found) {
      const name = found[1] ?? found[2] ?? found[3]!;
      const quoted = found[3] === undefined ? 1 : 0;
      this.key([...this.path(), name], at + quoted, at + quoted + name.length);
      this.token(at, at + name.length + 2 * quoted, 'key');
      const colon = at + found[0].length;
      this.token(colon - 1, colon, 'mark');
      this.block.push({ indent: at - start, key: name });
      return colon;
    }
    if (/^[{[]/.test(line)) return at;
    const comment = /\s#/.exec(line);
    const to = comment ? at + comment.index : end;
    this.token(at, to, 'text');
    if (comment) this.token(to + 1, end, 'comment');
    if (comment) this.here('none', end);
    else this.here('key', at);
    return -1;
  }

  // Scalars, braces and brackets up to the line's end.
  private values(at: number, end: number): void {
    this.scalar = null;
    let spaced = at === 0 || /\s/.test(this.text[at - 1]!);
    while (at < end) {
      const char = this.text[at]!;
      const frame = this.flow.at(-1);
      if (char === '#' && spaced) {
        this.endScalar(at);
        this.token(at, end, 'comment');
        return this.here('none', end);
      }
      spaced = char === ' ' || char === '\t';
      if ((char === '"' || char === "'") && this.scalar === null) at = this.quoted(at, end, char);
      else if ((char === '{' || char === '[') && (this.scalar === null || frame)) at = this.mark(at, () => this.flow.push({ open: char, path: this.path(), key: null }));
      else if (frame && (char === '}' || char === ']')) at = this.mark(at, () => this.flow.pop());
      else if (frame && char === ',') at = this.mark(at, () => (frame.key = null));
      else if (this.endsKey(frame, at, end)) at = this.flowKey(frame!, at);
      else {
        if (!spaced) this.scalar ??= at;
        at++;
      }
    }
    const from = this.scalar ?? end;
    this.endScalar(end);
    const frame = this.flow.at(-1);
    this.here(frame?.open === '{' && frame.key === null ? 'key' : 'value', from);
  }

  private endsKey(frame: Frame | undefined, at: number, end: number): boolean {
    return frame?.open === '{' && frame.key === null && this.text[at] === ':' && this.scalar !== null && (at + 1 === end || /[\s,{}[\]]/.test(this.text[at + 1]!));
  }

  private flowKey(frame: Frame, at: number): number {
    const from = this.scalar!;
    const name = this.text.slice(from, at).trimEnd();
    this.addFlowKey(frame, name, from);
    this.token(from, from + name.length, 'key');
    return this.mark(at, () => undefined);
  }

  private quoted(at: number, end: number, quote: string): number {
    let to = at + 1;
    while (to < end && this.text[to] !== quote) to += this.text[to] === '\\' && quote === '"' ? 2 : 1;
    const closed = to < end;
    const frame = this.flow.at(-1);
    const after = this.skip(Math.min(to + 1, end), end);
    if (closed && frame?.open === '{' && frame.key === null && this.text[after] === ':' && after < end) {
      this.addFlowKey(frame, this.text.slice(at + 1, to), at + 1);
      this.token(at, to + 1, 'key');
      this.token(after, after + 1, 'mark');
      return after + 1;
    }
    this.token(at, Math.min(to + 1, end), 'string');
    if (!closed || to + 1 === end) this.scalar = at;
    return Math.min(to + 1, end);
  }

  private addFlowKey(frame: Frame, name: string, from: number): void {
    this.key([...frame.path, name], from, from + name.length);
    frame.key = name;
    this.scalar = null;
  }

  private mark(at: number, then: () => void): number {
    this.endScalar(at);
    this.token(at, at + 1, 'mark');
    then();
    return at + 1;
  }

  private endScalar(end: number): void {
    if (this.scalar === null) return;
    const value = this.text.slice(this.scalar, end).trimEnd();
    const kind = numberLike.test(value) ? 'number' : wordLike.test(value) ? 'word' : 'text';
    if (this.tokens.at(-1)?.from !== this.scalar) this.token(this.scalar, this.scalar + value.length, kind);
    this.scalar = null;
  }

  private path(): readonly string[] {
    const frame = this.flow.at(-1);
    if (frame) return frame.key === null ? frame.path : [...frame.path, frame.key];
    return this.block.map((one) => one.key);
  }

  private leave(indent: number): void {
    while (this.block.length > 0 && this.block.at(-1)!.indent >= indent) this.block.pop();
  }

  private here(at: Place['at'], from: number): void {
    this.place = { at, path: this.path(), from, flow: this.flow.length > 0 };
  }

  private key(path: readonly string[], from: number, to: number): void {
    this.keys.push({ path, from, to });
  }

  private token(from: number, to: number, kind: TokenKind): void {
    if (to > from) this.tokens.push({ from, to, kind });
  }

  private skip(at: number, end: number): number {
    while (at < end && (this.text[at] === ' ' || this.text[at] === '\t' || this.text[at] === '\r')) at++;
    return at;
  }
}

/** The field that the caret stands in: by its key, or by the key that what is there belongs to. */
export function fieldAt(text: string, caret: number): readonly string[] {
  const { keys } = read(text);
  const on = keys.find((key) => key.from <= caret && caret <= key.to);
  return on ? on.path : read(text.slice(0, caret)).place.path;
}
