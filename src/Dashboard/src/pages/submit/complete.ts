import { factsOf, isRequired, lookUp, wordsOf, type Schema } from './schema';
import { read } from './yaml';

/** Something that may stand where the caret is. */
export interface Choice {
  label: string;
  /** What it means. */
  text: string;
  /** In few words: its type or default. */
  hint: string;
  /** What is written for it. */
  insert: string;
}

export interface Completion {
  choices: Choice[];
  /** What a choice replaces. */
  from: number;
  to: number;
  /** What has been typed of it. */
  word: string;
  /** A key, or one of the values that are allowed. */
  at: 'key' | 'value';
}

const wordCharacter = /[\w-]/;

/** What may be written at the caret; null for nothing. */
export function complete(text: string, caret: number, schema: Schema): Completion | null {
  const { place } = read(text.slice(0, caret));
  if (place.at === 'none') return null;
  const word = text.slice(place.from, caret);
  let to = caret;
  while (to < text.length && wordCharacter.test(text[to]!)) to++;
  const quote = word.startsWith('"') || word.startsWith("'") ? word[0]! : '';
  if (quote && text[to] === quote) to++;
  const typed = word.slice(quote.length);
  if (/\s/.test(typed)) return null;
  const node = lookUp(schema, place.path);
  const all = place.at === 'key' ? keysOf(text, schema, node, place, { from: place.from, to, quote }) : valuesOf(node, quote || (isJson(text) ? '"' : ''));
  const choices = ranked(all, typed);
  return choices.length > 0 ? { choices, from: place.from, to, word: typed, at: place.at } : null;
}

function keysOf(text: string, schema: Schema, section: Schema | undefined, place: { path: readonly string[]; flow: boolean }, at: { from: number; to: number; quote: string }): Choice[] {
  const taken = new Set(read(text).keys.filter((key) => key.path.length === place.path.length + 1 && key.from !== at.from + at.quote.length && place.path.every((name, i) => key.path[i] === name)).map((key) => key.path.at(-1)!));
  const hasColon = /^[ \t]*:/.test(text.slice(at.to));
  const lineStart = text.lastIndexOf('\n', at.from - 1) + 1;
  const inner = `\n${' '.repeat(at.from - lineStart + 2)}`;
  const quote = at.quote || (place.flow && isJson(text) ? '"' : '');
  return Object.entries(section?.properties ?? {}).filter(([name]) => !taken.has(name)).map(([name, node]) => {
    const facts = factsOf(node);
    return {
      label: name,
      text: facts.text,
      hint: isRequired(schema, [...place.path, name]) ? 'required' : node.properties ? 'section' : facts.standard || facts.type,
      insert: `${quote}${name}${quote}${hasColon ? '' : node.properties && !place.flow ? `:${inner}` : ': '}`,
    };
  });
}

function valuesOf(node: Schema | undefined, quote: string): Choice[] {
  if (!node) return [];
  return wordsOf(node).map((value) => ({ label: value, text: '', hint: value === node.default ? 'default' : '', insert: `${quote}${value}${quote}` }));
}

// Those that begin with what was typed, then those that have it inside.
function ranked(all: readonly Choice[], typed: string): Choice[] {
  const wanted = typed.toLowerCase();
  const at = (choice: Choice): number => choice.label.toLowerCase().indexOf(wanted);
  const found = all.filter((choice) => at(choice) >= 0);
  return [...found.filter((choice) => at(choice) === 0), ...found.filter((choice) => at(choice) > 0)];
}

function isJson(text: string): boolean {
  return /^\s*\{/.test(text);
}
