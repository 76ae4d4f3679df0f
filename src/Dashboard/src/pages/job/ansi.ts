// CSI sequences, OSC ones up to their end, and the two-character ones; then the other control characters but for the tab.
const escapes = /\u001b\[[0-?]*[ -/]*[@-~]|\u009b[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b]*(?:\u001b\\)?|\u001b[ -/]*[0-~]/g;
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** A log line without the escapes that colour it in a terminal. */
export function plain(text: string): string {
  return text.replace(escapes, '').replace(controls, '');
}

/** Text in parts: every second one is a hit of what is searched for, upper and lower case alike. */
export function hits(text: string, sought: string): string[] {
  if (!sought) return [text];
  const parts: string[] = [];
  const lower = text.toLowerCase();
  const needle = sought.toLowerCase();
  // Some letters change their length with their case: then nothing can be marked.
  if (lower.length !== text.length) return [text];
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), text.slice(at, at + needle.length));
    from = at + needle.length;
  }
  parts.push(text.slice(from));
  return parts;
}

const stamp = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? /;
const place = /^([A-Z]{3}) \[\S+ m\d+ l\d+ g\d+ r\d+ (s\d+)\] /;

/** A line without what the columns beside it tell already: the time, and which job, lineage, generation and rank wrote it. */
export function brief(text: string): string {
  return text.replace(stamp, '').replace(place, '$1 $2 ');
}
