import type { JobFile } from '../api/types';

/** A setting's value in each of several job files; null where it has none. */
export interface SettingRow {
  /** Such as model.heads. */
  field: string;
  values: readonly (string | null)[];
  differs: boolean;
}

/** The settings of job files side by side, in the order in which they stand there. */
export function settingRows(files: readonly (JobFile | undefined)[]): SettingRow[] {
  const flat = files.map((file) => new Map(file ? flatten(file, '') : []));
  const fields = [...new Set(flat.flatMap((one) => [...one.keys()]))];
  const there = flat.filter((_, i) => files[i] !== undefined);
  return fields.map((field) => ({
    field,
    values: flat.map((one) => one.get(field) ?? null),
    differs: new Set(there.map((one) => one.get(field) ?? null)).size > 1,
  }));
}

function flatten(value: unknown, field: string): [string, string][] {
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    return Object.entries(value).flatMap(([name, inner]) => flatten(inner, field ? `${field}.${name}` : name));
  return [[field, text(value)]];
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join(', ');
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}
