/** A part of a token's text: as it is, or a sign for something that shows nothing by itself. */
export interface Part {
  text: string;
  /** What the sign stands for, in words; empty for text. */
  means: string;
}

const names: Record<string, [string, string]> = {
  ' ': ['·', 'space'],
  '\n': ['↵', 'new line'],
  '\r': ['␍', 'carriage return'],
  '\t': ['⇥', 'tab'],
  '\u00a0': ['⍽', 'no-break space'],
  '\u00ad': ['¬', 'soft hyphen'],
  '\ufeff': ['◊', 'byte order mark'],
  '\ufffd': ['�', 'a part of a character'],
};

/** Splits a token's text into what shows and what does not. */
export function visible(piece: string): Part[] {
  if (piece === '') return [{ text: '∅', means: 'no text' }];
  const parts: Part[] = [];
  for (const char of piece) {
    const means = meaning(char);
    const last = parts.at(-1);
    if (means) parts.push({ text: means[0], means: means[1] });
    else if (last && !last.means) last.text += char;
    else parts.push({ text: char, means: '' });
  }
  return parts;
}

/** A token in words, for those who hear the page. */
export function spoken(piece: string): string {
  return visible(piece).map((part) => part.means || part.text).join(' ');
}

/** The bytes of a text in UTF-8, as in 20 74 68; empty where the text is a part of a character. */
export function bytesOf(piece: string): string {
  if (piece.includes('\ufffd')) return '';
  return [...new TextEncoder().encode(piece)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function meaning(char: string): [string, string] | null {
  if (Object.hasOwn(names, char)) return names[char]!;
  const code = char.codePointAt(0)!;
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  if (code < 0x20) return [String.fromCharCode(0x2400 + code), name];
  // Separators, formats such as directions and joiners, and control characters would hide or reorder what is beside them.
  return /[\p{Zs}\p{Zl}\p{Zp}\p{Cf}\p{Cc}]/u.test(char) ? ['◌', name] : null;
}
