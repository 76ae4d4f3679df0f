/** What the dashboard reads of the job file's JSON Schema. */
export interface Schema {
  description?: string;
  type?: string;
  enum?: readonly string[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  /** One kind of value or another, such as a number or the word auto. */
  anyOf?: readonly Schema[];
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
}

/** A field in words. */
export interface Facts {
  /** What it means. */
  text: string;
  type: string;
  allowed: string;
  unit: string;
  standard: string;
}

/** The part of the schema that is about a field; undefined where there is no such field. */
export function lookUp(schema: Schema, path: readonly string[]): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const name of path) at = at?.properties && Object.hasOwn(at.properties, name) ? at.properties[name] : undefined;
  return at;
}

/** Whether a section must have the field. */
export function isRequired(schema: Schema, path: readonly string[]): boolean {
  return lookUp(schema, path.slice(0, -1))?.required?.includes(path.at(-1) ?? '') ?? false;
}

const types: Record<string, string> = { integer: 'whole number', number: 'number', string: 'text', boolean: 'true or false', array: 'list', object: 'section' };
const unitWords = / Unit: ([^.]+)\./;
const defaultWords = / The default is ([^.]+(?:\.(?!\s|$)[^.]*)*)\./;

/** The words that a field takes, all of them or beside numbers. */
export function wordsOf(schema: Schema): readonly string[] {
  return schema.enum ?? schema.anyOf?.flatMap((one) => one.enum ?? []) ?? [];
}

/** Says what a schema says. The unit, and a default that depends on other fields, stand in its description. */
export function factsOf(schema: Schema): Facts {
  const { anyOf, ...rest } = schema;
  const value = anyOf?.find((one) => !one.enum);
  if (value) return { ...factsOf({ ...rest, ...value }), type: `${wordsOf(schema).join(', ')} or ${types[value.type ?? ''] ?? 'value'}` };
  const words = schema.description ?? '';
  return {
    text: words.replace(unitWords, '').replace(defaultWords, ''),
    type: schema.type === 'array' ? `list of ${plural(types[schema.items?.type ?? ''] ?? 'values')}` : schema.enum ? 'one of' : types[schema.type ?? ''] ?? '',
    allowed: schema.enum ? schema.enum.join(', ') : schema.type === 'array' ? lengths(schema) : rangeOf(schema),
    unit: unitWords.exec(words)?.[1] ?? '',
    standard: schema.default === undefined ? defaultWords.exec(words)?.[1]?.replaceAll('`', '') ?? '' : shown(schema.default),
  };
}

function lengths({ minItems, maxItems, items }: Schema): string {
  const inside = items ? rangeOf(items) : '';
  const how = minItems === maxItems ? `${minItems} of them` : [minItems !== undefined && `at least ${minItems}`, maxItems !== undefined && `at most ${grouped(maxItems)}`].filter(Boolean).join(', ');
  return [how, inside && `each ${inside}`].filter(Boolean).join('; ');
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, maxLength }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return `${grouped(minimum)} to ${grouped(maximum)}`;
  return [
    minimum !== undefined && `${grouped(minimum)} or more`,
    exclusiveMinimum !== undefined && `above ${grouped(exclusiveMinimum)}`,
    maximum !== undefined && `at most ${grouped(maximum)}`,
    exclusiveMaximum !== undefined && `below ${grouped(exclusiveMaximum)}`,
    maxLength !== undefined && `at most ${grouped(maxLength)} characters`,
  ].filter(Boolean).join(', ');
}

function shown(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(shown).join(', ')}]` : typeof value === 'string' ? value : JSON.stringify(value);
}

function grouped(value: number): string {
  return value.toLocaleString('en');
}

function plural(word: string): string {
  return word.endsWith('s') ? word : `${word}s`;
}
