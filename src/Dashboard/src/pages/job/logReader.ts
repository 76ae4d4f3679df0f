import { signal } from '@preact/signals';
import { api } from '../../api/client';
import { connections, stream } from '../../api/stream';
import { after, before, type LogBuffer, noLines } from './logBuffer';

const pageSize = 1000;
const mostLines = 120_000;
const pagesOfJump = 150;

/** Reads a log from its end backwards as far as it is wanted, and forwards as it grows. */
export class LogReader {
  readonly buffer = signal<LogBuffer>(noLines);
  readonly loading = signal(true);
  readonly searching = signal(false);
  readonly error = signal<unknown>(null);
  /** Lines that the stream left out since this page was too slow for them. */
  readonly skipped = signal(0);
  /** Lines that came since the end was last looked at. */
  readonly fresh = signal(0);
  private readonly abort = new AbortController();
  private readonly ends: (() => void)[] = [];
  private older: Promise<boolean> | null = null;
  private lookedTo = 0;
  private pending: Parameters<typeof after>[1][number][] = [];
  private frame = 0;

  constructor(private readonly job: string, private readonly rank: number | undefined, private readonly sought: string) {}

  start(): void {
    void this.first();
    let known = connections.peek();
    this.ends.push(connections.subscribe((connection) => {
      if (connection !== known && known > 0 && this.error.value !== null) this.restart();
      known = connection;
    }));
  }

  stop(): void {
    this.abort.abort();
    cancelAnimationFrame(this.frame);
    for (const end of this.ends) end();
  }

  /** Forgets what was read and begins at the end again. */
  restart(): void {
    this.buffer.value = noLines;
    void this.first(false);
  }

  /** Older lines than there are; false once there are none. */
  async loadOlder(): Promise<boolean> {
    if (!this.buffer.value.older) return false;
    this.older ??= this.readOlder().finally(() => (this.older = null));
    return this.older;
  }

  /** Reads back until there are lines of a time. */
  async backTo(time: number): Promise<void> {
    for (let page = 0; page < pagesOfJump && Date.parse(this.buffer.value.lines[0]?.at ?? '') > time; page++)
      if (!(await this.loadOlder())) return;
  }

  private query(): { rank?: number; contains?: string; pageSize: number } {
    return { pageSize, ...(this.rank === undefined ? {} : { rank: this.rank }), ...(this.sought ? { contains: this.sought } : {}) };
  }

  private async first(listen = true): Promise<void> {
    this.loading.value = true;
    this.searching.value = this.sought !== '';
    try {
      let page = await api.logs(this.job, this.query(), this.abort.signal);
      this.lookedTo = page.lookedTo;
      this.buffer.value = { lines: page.lines, older: page.more, newer: false };
      this.loading.value = false;
      // A search looks through a bounded number of lines a call.
      while (this.sought && page.more && this.buffer.value.lines.length < pageSize) {
        page = await api.logs(this.job, { ...this.query(), before: this.lookedTo }, this.abort.signal);
        this.lookedTo = page.lookedTo;
        this.buffer.value = before(this.buffer.value, page.lines, page.more, mostLines);
      }
      this.error.value = null;
    } catch (error) {
      if (!this.abort.signal.aborted) this.error.value = error;
    }
    this.loading.value = this.searching.value = false;
    if (listen && !this.abort.signal.aborted) this.listen();
  }

  private async readOlder(): Promise<boolean> {
    const from = this.sought && this.lookedTo > 0 ? this.lookedTo : (this.buffer.value.lines[0]?.sequence ?? 0);
    try {
      const page = await api.logs(this.job, { ...this.query(), before: from }, this.abort.signal);
      this.lookedTo = page.lookedTo;
      this.buffer.value = before(this.buffer.value, page.lines, page.more, mostLines);
      return page.more;
    } catch (error) {
      if (!this.abort.signal.aborted) this.error.value = error;
      return false;
    }
  }

  private listen(): void {
    const rank = this.rank === undefined ? '' : `:${this.rank}`;
    let newest = this.buffer.value.lines.at(-1)?.sequence ?? 0;
    const topic = (): string => `logs:${this.job}:${newest}${rank}`;
    this.ends.push(stream.subscribe('logs', topic, (data) => {
      if (data.jobId !== this.job || (data.rank ?? undefined) !== this.rank) return;
      newest = Math.max(newest, data.lines.at(-1)?.sequence ?? 0);
      if (data.skipped) this.skipped.value += data.skipped;
      const needle = this.sought.toLowerCase();
      this.pending.push(...(needle ? data.lines.filter((line) => line.text.toLowerCase().includes(needle)) : data.lines));
      this.frame ||= requestAnimationFrame(() => this.show());
    }));
  }

  // Many events may come between two frames.
  private show(): void {
    this.frame = 0;
    const lines = this.pending;
    this.pending = [];
    // What was let go at the end must not leave a gap before what comes now.
    if (lines.length === 0 || this.buffer.value.newer) return;
    const count = this.buffer.value.lines.length;
    this.buffer.value = after(this.buffer.value, lines, mostLines);
    this.fresh.value += Math.max(0, this.buffer.value.lines.length - count);
  }
}
