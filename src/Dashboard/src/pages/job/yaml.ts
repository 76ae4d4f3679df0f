/** Settings as YAML that a job file may have: readable, and the same values again when it is parsed. */
export function toYaml(value: unknown, indent = 0): string {
  if (!isObject(value)) return `${scalar(value)}\n`;
  const pad = '  '.repeat(indent);
  let text = '';
  for (const [name, one] of Object.entries(value)) {
    if (one === null || one === undefined) continue;
    if (isObject(one) && Object.keys(one).length > 0) text += `${pad}${key(name)}:\n${toYaml(one, indent + 1)}`;
    else text += `${pad}${key(name)}: ${scalar(one)}\n`;
  }
  return text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function key(name: string): string {
  return /^[A-Za-z][\w-]*$/.test(name) ? name : JSON.stringify(name);
}

const wordLike = /^[A-Za-z_][\w./-]*$/;
const reserved = /^(?:true|false|null|yes|no|on|off|y|n|\.inf|\.nan)$/i;

function scalar(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(scalar).join(', ')}]`;
  if (isObject(value)) return `{ ${Object.entries(value).map(([name, one]) => `${key(name)}: ${scalar(one)}`).join(', ')} }`.replace('{  }', '{}');
  if (typeof value === 'string') return wordLike.test(value) && !reserved.test(value) ? value : JSON.stringify(value);
  return value === null || value === undefined ? 'null' : String(value);
}
