/** What tells jobs of one name apart: the end of an id that begins with the name, else the id. */
export function shortId(id: string, name: string): string {
  return id.startsWith(`${name}-`) ? id.slice(name.length + 1) : id;
}

/** What each job is called beside others, by its id: its name, with the short id where others have the name too. */
export function labelsOf(jobs: Iterable<{ id: string; name: string }>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const ids = new Map<string, number>();
  for (const { id, name } of jobs) {
    if (!names.has(id)) ids.set(name, (ids.get(name) ?? 0) + 1);
    names.set(id, name);
  }
  return new Map([...names].map(([id, name]) => [id, (ids.get(name) ?? 0) > 1 ? `${name} ${shortId(id, name)}` : name]));
}
