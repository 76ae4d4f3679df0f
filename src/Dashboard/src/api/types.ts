// The JSON of the coordinator: the messages of protos/linformer/v1 with fields in camelCase, enums as lower-case words,
// times as RFC 3339, and NaN and infinities as strings.

/** A number that JSON has no word for comes as a string. */
export type Num = number | 'NaN' | 'Infinity' | '-Infinity';

export type JobState = 'queued' | 'preparing' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

export interface Job {
  id: string;
  name: string;
  state: JobState;
  reason: string;
  priority: number;
  submitter: string;
  submittedAt?: string;
  startedAt?: string;
  endedAt?: string;
  lineage: number;
  generation: number;
  worldSize: number;
  appliedStep: number;
  committedStep: number;
  totalSteps: number;
  pending: string;
  ranksMin: number;
  ranksMax: number;
  revision: number;
  unchanged: boolean;
  ranksLeft?: number;
  againFrom?: number;
  lastMetrics?: MetricPoint;
  lossLine: Num[];
  /** As job files name it; not from an older coordinator. */
  task?: string;
  /** Of inference, the documents in a step; 0 for others. */
  documentsPerStep?: number;
}

export interface MetricPoint {
  lineage: number;
  generation: number;
  step: number;
  at?: string;
  worldSize: number;
  loss: Num;
  learningRate: Num;
  tokensPerSecond: Num;
  gradientNorm?: Num;
  heldOutLoss?: Num;
  /** What else the evaluation of the step measured. */
  measures?: Record<string, Num>;
}

export interface CorpusProgress {
  phase: string;
  done: number;
  total: number;
  unit: string;
}

export interface Rank {
  rank: number;
  worker: string;
  slot: number;
  state: string;
  appliedStep: number;
  processId: number;
  member: number;
  stepMilliseconds: number;
  straggler: boolean;
  inGeneration: boolean;
}

export interface HistoryEntry {
  sequence: number;
  at?: string;
  who: string;
  what: string;
  why: string;
  state: JobState | 'unspecified';
  lineage: number;
  generation: number;
  step: number;
}

export interface Generation {
  lineage: number;
  generation: number;
  worldSize: number;
  startedAt?: string;
  firstStep: number;
}

export interface JobResult {
  steps: number;
  parameters: number;
  heldOutLoss: Num;
  heldOutPerplexity: Num;
  unigramPerplexity: Num;
  predictedTokens: number;
  modelFolder: string;
  measures?: Record<string, Num>;
  bestStep?: number;
}

export interface RankFailure {
  generation: number;
  rank: number;
  worker: string;
  exitCode: number;
  signal: string;
  reason: string;
  lastLogLines: string[];
  permanent: boolean;
  peerLost: boolean;
  member: number;
  step: number;
}

export interface JobDetails {
  job: Job;
  /** All settings resolved. */
  jobFile: JobFile;
  corpusId: string;
  corpus?: CorpusProgress;
  ranks: Rank[];
  history: HistoryEntry[];
  lastMetrics?: MetricPoint;
  result?: JobResult;
  lastFailure?: RankFailure;
  heldOutLoss?: Num;
  measures?: Record<string, Num>;
  generations: Generation[];
}

/** A job file as JSON; see docs/job-file.md. */
export type JobFile = { [section: string]: unknown };

export interface JobsPage {
  jobs: Job[];
  nextPageToken: string;
}

export interface SubmitResponse {
  job?: Job;
  existed: boolean;
  notices: string[];
  resolvedJob: JobFile;
}

export interface JobFileProblem {
  field: string;
  line: number;
  column: number;
  message: string;
}

export interface JobEstimate {
  parameters: number;
  memoryBytes: number;
  parameterBytes: number;
  gradientBytes: number;
  optimizerBytes: number;
  activationBytes: number;
  processBytes: number;
  tokensPerStep: number;
  totalTokens: number;
  operationsPerStep: Num;
  seconds?: Num;
  basis: string;
  fullAttentionRatio: Num;
}

export interface CheckResponse {
  problems: JobFileProblem[];
  resolvedJob: JobFile | null;
  notices: string[];
  estimate?: JobEstimate;
}

export type SeriesName = 'loss' | 'learningRate' | 'tokensPerSecond' | 'gradientNorm' | 'heldOutLoss' | 'worldSize';

/** Buckets of steps: one number a bucket in each array. */
export interface MetricRange {
  jobId: string;
  stepsPerBucket: number;
  firstStep: number[];
  lastStep: number[];
  count: number[];
  /** Unix milliseconds. */
  at: number[];
  series: { name: SeriesName; min: Num[]; mean: Num[]; max: Num[] }[];
  oldestStep: number;
  newestStep: number;
  /** If asked for: steps whose evaluation measured more than the loss. */
  evaluations?: MetricPoint[];
}

export interface RankSample {
  lineage: number;
  generation: number;
  rank: number;
  member: number;
  worker: string;
  step: number;
  at?: string;
  steps: number;
  dataMilliseconds: number;
  forwardMilliseconds: number;
  backwardMilliseconds: number;
  reduceMilliseconds: number;
  updateMilliseconds: number;
  otherMilliseconds: number;
  memoryBytes: number;
  peakMemoryBytes: number;
  gpuMemoryBytes: number;
}

export interface RankSamples {
  jobId: string;
  samples: RankSample[];
}

export interface LogLine {
  sequence: number;
  at?: string;
  generation: number;
  rank: number;
  worker: string;
  text: string;
}

export interface LogPage {
  jobId: string;
  lines: LogLine[];
  more: boolean;
  lookedTo: number;
}

export interface Checkpoint {
  name: string;
  lineage: number;
  generation: number;
  step: number;
  at?: string;
  bytes: number;
  kept: boolean;
}

export interface Gpu {
  uuid: string;
  name: string;
  memoryBytes: number;
}

export interface Slot {
  number: number;
  device: 'cpu' | 'cuda';
  jobId: string;
  rank: number;
  gpu?: Gpu;
  bfloat16: boolean;
  memoryBytes: number;
  gpuReading?: { usedMemoryBytes: number; temperature: number; utilization: number };
}

export interface MachineLoad {
  processorPercent: number;
  processors: number;
  usedMemoryBytes: number;
  memoryBytes: number;
  freeStorageBytes: number;
}

export interface Worker {
  name: string;
  alive: boolean;
  host: string;
  processId: number;
  address: string;
  version: string;
  slots: Slot[];
  connectedAt?: string;
  lastSeen?: string;
  draining: boolean;
  lostMetricPoints: number;
  lostLogLines: number;
  drained: boolean;
  unfit: string;
  load?: MachineLoad;
}

export type CorpusState = 'planning' | 'sharding' | 'finishing' | 'ready' | 'failed';

export interface Corpus {
  id: string;
  state: CorpusState;
  files: string[];
  tokenizer: string;
  fingerprint: string;
  folder: string;
  shards: number;
  shardsDone: number;
  documents: number;
  tokens: number;
  vocabularySize: number;
  error: string;
  progress?: CorpusProgress;
  updatedAt?: string;
}

export interface CorpusPreview {
  corpusId: string;
  fromToken: number;
  sequences: { firstToken: number; ids: number[]; pieces: string[]; text: string }[];
  tokens: number;
}

export type Severity = 'info' | 'warning' | 'error';

export interface ClusterEvent {
  sequence: number;
  at?: string;
  kind: 'job' | 'worker' | 'corpus' | 'coordinator';
  subject: string;
  name: string;
  who: string;
  what: string;
  why: string;
  severity: Severity;
  lineage: number;
  generation: number;
  step: number;
  state: JobState | 'unspecified';
}

export interface EventsPage {
  events: ClusterEvent[];
  more: boolean;
  lookedTo: number;
}

export interface ClusterSummary {
  version: string;
  epoch: number;
  startedAt?: string;
  authentication: boolean;
  workers: number;
  lostWorkers: number;
  slots: number;
  freeSlots: number;
  gpus: number;
  jobs: { state: JobState; count: number }[];
  tokensPerSecond: Num;
  now?: string;
}

export type Role = 'viewer' | 'submitter' | 'admin';

export interface WhoAmI {
  user: string;
  role: Role;
  /** Empty where no token was asked for. */
  tokenId: string;
  expiresAt?: string;
}

export interface Preset {
  name: string;
  title: string;
  description: string;
  yaml: string;
}

/** RFC 9457. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
  code: string;
  problems?: JobFileProblem[];
}

/** What the event stream sends, by the name of the event. */
export interface StreamEvents {
  hello: { epoch: number; version: string; now: string };
  jobs: { full?: boolean; jobs: Job[]; removed?: string[] };
  job: {
    id: string;
    job: Job;
    history: HistoryEntry[];
    metrics?: MetricPoint;
    corpus?: CorpusProgress;
    ranks: Rank[];
    result?: JobResult;
    lastFailure?: RankFailure;
    heldOutLoss?: Num;
    measures?: Record<string, Num>;
  };
  /** `lineage` and `generation` are those of the last point. */
  metrics: { jobId: string; points?: MetricPoint[]; lineage?: number; generation?: number; reset?: number };
  samples: { jobId: string; samples: RankSample[] };
  logs: { jobId: string; rank?: number; lines: LogLine[]; skipped?: number };
  workers: { workers: Worker[] };
  corpora: { corpora: Corpus[] };
  events: { events: ClusterEvent[] };
  summary: ClusterSummary;
  gone: { topic: string; reason: string };
  bye: { reason: string; code?: string };
  /** Nothing new: the connection lives. */
  ping: Record<string, never>;
}
