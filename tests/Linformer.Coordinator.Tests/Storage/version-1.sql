-- What the first release left behind: its schema as its migration made it, a job in its second generation, and a second job's log.
CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TEXT NOT NULL);
CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    host TEXT NOT NULL,
    process_id INTEGER NOT NULL,
    taken_at TEXT NOT NULL);

CREATE TABLE jobs (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    idempotency_key TEXT UNIQUE,
    file_sha256 TEXT,
    job_json TEXT NOT NULL,
    submitter TEXT NOT NULL,
    submitted_at INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    view TEXT);
CREATE INDEX jobs_by_name ON jobs (name, ordinal);
CREATE INDEX jobs_unfinished ON jobs (ordinal) WHERE ended = 0;

CREATE TABLE history (
    job_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    why TEXT NOT NULL,
    phase INTEGER NOT NULL,
    lineage INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (job_id, sequence)) WITHOUT ROWID;

CREATE TABLE progress (
    job_id TEXT PRIMARY KEY,
    lineage INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    committed_step INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE metrics (
    job_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    lineage INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    at INTEGER NOT NULL,
    world_size INTEGER NOT NULL,
    loss REAL NOT NULL,
    learning_rate REAL NOT NULL,
    tokens_per_second REAL NOT NULL,
    gradient_norm REAL,
    held_out_loss REAL,
    PRIMARY KEY (job_id, step, lineage, generation)) WITHOUT ROWID;
CREATE INDEX metrics_by_generation ON metrics (job_id, lineage, generation, step);
CREATE INDEX metrics_held_out ON metrics (job_id, lineage, generation, step) WHERE held_out_loss IS NOT NULL;

CREATE TABLE logs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    worker TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (job_id, generation, rank, number));
CREATE INDEX logs_by_job ON logs (job_id);
CREATE INDEX logs_by_rank ON logs (job_id, rank);

CREATE TABLE checkpoints (
    job_id TEXT NOT NULL,
    name TEXT NOT NULL,
    lineage INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (job_id, name)) WITHOUT ROWID;

CREATE TABLE grains (
    grain_id TEXT NOT NULL,
    state_name TEXT NOT NULL,
    etag INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (grain_id, state_name)) WITHOUT ROWID;

CREATE TABLE workers (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE corpora (ordinal INTEGER PRIMARY KEY AUTOINCREMENT, corpus_id TEXT NOT NULL UNIQUE);

INSERT INTO schema_version VALUES (1, '2026-05-04T12:00:00.000Z');
INSERT INTO lease VALUES (1, 7, 'head', 4711, '2026-05-04T12:00:00.000Z');
INSERT INTO jobs (job_id, name, idempotency_key, file_sha256, job_json, submitter, submitted_at, phase, ended, revision, view)
VALUES ('a-aaaaa', 'a', 'key-a', 'sha', '{}', 'person:ada', 639135360000000000, 2, 0, -1, NULL);
INSERT INTO history VALUES ('a-aaaaa', 1, 639135360000000000, 'person:ada', 'submitted', '', 0, 0, 0, 0);
INSERT INTO progress VALUES ('a-aaaaa', 0, 2, 12);
INSERT INTO metrics VALUES ('a-aaaaa', 9, 0, 1, 639135360000000000, 2, 3.5, 0.1, 1000, 0.5, NULL);
INSERT INTO metrics VALUES ('a-aaaaa', 10, 0, 1, 639135360000000000, 2, 3.5, 0.1, 1000, 0.5, NULL);
INSERT INTO metrics VALUES ('a-aaaaa', 11, 0, 1, 639135360000000000, 2, 3.5, 0.1, 1000, 0.5, 'NaN');
INSERT INTO metrics VALUES ('a-aaaaa', 11, 0, 2, 639135360000000000, 1, 3.25, 0.1, 1000, 0.5, NULL);
INSERT INTO metrics VALUES ('a-aaaaa', 12, 0, 2, 639135360000000000, 1, 3.0, 0.1, 1000, 0.5, NULL);
INSERT INTO logs (job_id, generation, rank, number, at, worker, text) VALUES
    ('a-aaaaa', 1, 0, 1, 639135360000000000, 'w1', 'first'),
    ('a-aaaaa', 1, 1, 1, 639135360000000000, 'w2', 'second'),
    ('b-bbbbb', 1, 0, 1, 639135360000000000, 'w1', 'other'),
    ('a-aaaaa', 2, 0, 1, 639135360000000000, 'w1', 'third');
INSERT INTO checkpoints VALUES ('a-aaaaa', 'l0000-g0001-s00000010', 0, 1, 10, 639135360000000000, 5000, 1);
INSERT INTO grains VALUES ('job/a-aaaaa', 'state', 3, '{}');
INSERT INTO workers VALUES ('w1');
INSERT INTO corpora (corpus_id) VALUES ('c0');
