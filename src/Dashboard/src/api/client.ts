import type {
  CheckResponse, Checkpoint, ClusterSummary, Corpus, CorpusPreview, EventsPage, Job, JobDetails, JobsPage, LogPage, MetricRange,
  Preset, Problem, RankSamples, SubmitResponse, WhoAmI, Worker,
} from './types';

/** A call that the coordinator has refused, or that did not reach it. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
    this.name = 'ApiError';
  }

  /** Nobody answered: the coordinator is away or restarts. */
  get isAway(): boolean {
    return this.problem.status === 0 || this.problem.status === 503;
  }

  get isUnauthenticated(): boolean {
    return this.problem.status === 401;
  }
}

/** A refusal, with what its headers say. */
export interface Refused {
  problem: Problem;
  /** Milliseconds after which it may be tried again; NaN where nothing is said. */
  retryAfter: number;
}

const probeMilliseconds = 10_000;

let sessionEnded: (why: string) => void = () => undefined;

/** Has a function called whenever the coordinator does not recognise the user any more. */
export function onUnauthenticated(handler: (why: string) => void): void {
  sessionEnded = handler;
}

type Query = Record<string, string | number | boolean | readonly (string | number)[] | undefined>;

interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Query;
  /** Sent as JSON, unless it is text. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** The path of a call, with its query. */
export function path(route: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return `/api/v1${route}${text ? `?${text}` : ''}`;
}

async function send(route: string, call: Call = {}): Promise<Response> {
  const text = typeof call.body === 'string';
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Linformer': '1', ...call.headers };
  if (call.body !== undefined && !text) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path(route, call.query), {
      method: call.method ?? 'GET',
      headers,
      ...(call.body === undefined ? {} : { body: text ? (call.body as string) : JSON.stringify(call.body) }),
      ...(call.signal ? { signal: call.signal } : {}),
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError({ title: 'No answer', status: 0, code: 'unavailable', detail: 'The coordinator does not answer. It may be restarting; this page keeps trying.' });
  }
  if (response.ok) return response;
  throw new ApiError(await refused(response, route));
}

// A refused login says nothing of a session.
async function refused(response: Response, route: string): Promise<Problem> {
  const problem = await problemOf(response);
  if (response.status === 401 && route !== '/session') sessionEnded(problem.detail || 'The session has ended. Log in again.');
  return problem;
}

/**
 * Why an address is refused, for those who are not told, such as an event stream; null where it is not, or where nobody answers.
 * @param address A path with its query.
 */
export async function refusalOf(address: string, signal: AbortSignal): Promise<Refused | null> {
  const headers = new AbortController();
  const stop = (): void => headers.abort();
  signal.addEventListener('abort', stop);
  const timer = setTimeout(stop, probeMilliseconds);
  try {
    const response = await fetch(address, { headers: { 'X-Linformer': '1' }, signal: headers.signal, credentials: 'same-origin', cache: 'no-store' });
    // In front of a coordinator that is away there may be a proxy, which says so.
    if (response.ok || response.status >= 500) return null;
    return { problem: await refused(response, address), retryAfter: retryAfter(response.headers.get('Retry-After')) };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Milliseconds of a Retry-After header, which has seconds or a date; NaN where it has neither. */
export function retryAfter(text: string | null, now = Date.now()): number {
  if (!text) return NaN;
  return /^\d+$/.test(text) ? Number(text) * 1000 : Math.max(0, Date.parse(text) - now);
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return { title: response.statusText, detail: '', code: '', ...problem, status: response.status };
  } catch {
    return { title: response.statusText || `HTTP ${response.status}`, status: response.status, code: '', detail: `The coordinator answered with HTTP ${response.status}.` };
  }
}

async function json<T>(route: string, call?: Call): Promise<T> {
  return (await (await send(route, call)).json()) as T;
}

const id = encodeURIComponent;

// Who histories name where nobody is asked for a token; otherwise the token tells.
const who = 'dashboard';

/** Every call that the dashboard makes. */
export const api = {
  whoAmI: (signal?: AbortSignal) => json<WhoAmI>('/whoami', { signal }),
  logIn: (token: string) => send('/session', { method: 'POST', body: { token } }),
  logOut: () => send('/session', { method: 'DELETE' }),

  cluster: (signal?: AbortSignal) => json<ClusterSummary>('/cluster', { signal }),
  jobs: (query: Query, signal?: AbortSignal) => json<JobsPage>('/jobs', { query, signal }),
  job: (job: string, signal?: AbortSignal) => json<JobDetails>(`/jobs/${id(job)}`, { signal }),
  submit: (file: string, idempotencyKey: string) =>
    json<SubmitResponse>('/jobs', { method: 'POST', query: { submitter: who }, body: file, headers: { 'Content-Type': 'application/yaml', 'Idempotency-Key': idempotencyKey } }),
  check: (file: string, signal?: AbortSignal) =>
    json<CheckResponse>('/jobs/check', { method: 'POST', body: file, headers: { 'Content-Type': 'application/yaml' }, signal }),
  cancel: (job: string, why: string) => json<Job>(`/jobs/${id(job)}/cancel`, { method: 'POST', body: { why, who } }),
  pause: (job: string, why: string) => json<Job>(`/jobs/${id(job)}/pause`, { method: 'POST', body: { why, who } }),
  resume: (job: string, why: string) => json<Job>(`/jobs/${id(job)}/resume`, { method: 'POST', body: { why, who } }),
  goBack: (job: string, checkpoint: string, skipSteps: number, why: string) =>
    json<Job>(`/jobs/${id(job)}/go-back`, { method: 'POST', body: { checkpoint, skipSteps, why, who } }),
  remove: (job: string, keepModel: boolean) => send(`/jobs/${id(job)}`, { method: 'DELETE', query: { keepModel, who } }),

  metrics: (job: string, query: { fromStep?: number; toStep?: number; points?: number; series?: readonly string[]; evaluations?: boolean }, signal?: AbortSignal) =>
    json<MetricRange>(`/jobs/${id(job)}/metrics`, { query, signal }),
  samples: (job: string, query: { fromStep?: number; toStep?: number; points?: number; rank?: number }, signal?: AbortSignal) =>
    json<RankSamples>(`/jobs/${id(job)}/samples`, { query, signal }),
  logs: (job: string, query: { rank?: number; contains?: string; before?: number; after?: number; pageSize?: number }, signal?: AbortSignal) =>
    json<LogPage>(`/jobs/${id(job)}/logs`, { query, signal }),
  checkpoints: async (job: string, signal?: AbortSignal) =>
    (await json<{ checkpoints: Checkpoint[] }>(`/jobs/${id(job)}/checkpoints`, { signal })).checkpoints,

  workers: async (signal?: AbortSignal) => (await json<{ workers: Worker[] }>('/workers', { signal })).workers,
  drain: (worker: string, undo: boolean, why: string) => json<Worker>(`/workers/${id(worker)}/drain`, { method: 'POST', body: { undo, why, who } }),
  corpora: async (signal?: AbortSignal) => (await json<{ corpora: Corpus[] }>('/corpora', { signal })).corpora,
  preview: (corpus: string, query: { fromToken?: number; sequenceLength?: number; sequences?: number }, signal?: AbortSignal) =>
    json<CorpusPreview>(`/corpora/${id(corpus)}/preview`, { query, signal }),
  events: (query: Query, signal?: AbortSignal) => json<EventsPage>('/events', { query, signal }),
  presets: (signal?: AbortSignal) => json<Preset[]>('/presets', { signal }),
  schema: (signal?: AbortSignal) => json<Record<string, unknown>>('/schema/job-file', { signal }),
};

/** Where files are downloaded from. */
export const downloads = {
  log: (job: string, rank?: number) => path(`/jobs/${id(job)}/logs/text`, { rank }),
  metricsCsv: (job: string) => path(`/jobs/${id(job)}/metrics.csv`),
  checkpoint: (job: string, name: string) => path(`/jobs/${id(job)}/checkpoints/${id(name)}/download`),
  model: (job: string) => path(`/jobs/${id(job)}/model/download`),
};
