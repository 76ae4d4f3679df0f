/** Who did something, as a name: `person:ada` is ada, `worker:node-1` is worker node-1. */
export function who(text: string): string {
  return text.startsWith('person:') ? text.slice(7) : text.startsWith('worker:') ? `worker ${text.slice(7)}` : text;
}
