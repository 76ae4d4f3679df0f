namespace Linformer.Coordinator.Storage.Sqlite;

/// <summary>The schema's versions. A migration that was released is never changed; the next one is added.</summary>
internal static class SqliteMigrations
{
    private static readonly string[] All =
    [
        """
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
        """,
        // Processes had no numbers of their own before. Those that came to be then get negative ones, which no later one will have.
        """
        CREATE TABLE generations (
            job_id TEXT NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            world_size INTEGER NOT NULL,
            started_at INTEGER NOT NULL,
            first_step INTEGER,
            PRIMARY KEY (job_id, lineage, generation)) WITHOUT ROWID;
        INSERT INTO generations
        SELECT job_id, lineage, generation, max(world_size), min(at), min(step) FROM metrics GROUP BY job_id, lineage, generation;

        CREATE TABLE logs_of_members (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id TEXT NOT NULL,
            member INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            number INTEGER NOT NULL,
            at INTEGER NOT NULL,
            worker TEXT NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (job_id, member, number));
        INSERT INTO logs_of_members
        SELECT sequence, job_id, -(generation * 1048576 + rank + 1), generation, rank, number, at, worker, text FROM logs;
        DROP TABLE logs;
        ALTER TABLE logs_of_members RENAME TO logs;
        CREATE INDEX logs_by_job ON logs (job_id);
        CREATE INDEX logs_by_rank ON logs (job_id, rank);
        """,
        """
        CREATE TABLE tokens (
            token_id TEXT PRIMARY KEY,
            hash TEXT NOT NULL,
            user_name TEXT NOT NULL,
            role INTEGER NOT NULL,
            note TEXT NOT NULL,
            created_by TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            revoked_at INTEGER) WITHOUT ROWID;

        CREATE TABLE audit (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            user_name TEXT NOT NULL,
            role TEXT NOT NULL,
            token_id TEXT NOT NULL,
            peer TEXT NOT NULL,
            method TEXT NOT NULL,
            target TEXT NOT NULL,
            outcome TEXT NOT NULL);
        CREATE INDEX audit_by_user ON audit (user_name, sequence);
        CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is not changed'); END;
        CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is not deleted'); END;

        CREATE INDEX jobs_unfinished_by_submitter ON jobs (submitter) WHERE ended = 0;
        """,
        // Metrics from before are brought together as later ones are.
        """
        CREATE TABLE metric_rollups (
            job_id TEXT NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            level INTEGER NOT NULL,
            from_step INTEGER NOT NULL,
            first_step INTEGER NOT NULL,
            last_step INTEGER NOT NULL,
            last_at INTEGER NOT NULL,
            steps INTEGER NOT NULL,
            loss_count INTEGER NOT NULL, loss_min REAL, loss_sum REAL NOT NULL, loss_max REAL,
            learning_rate_count INTEGER NOT NULL, learning_rate_min REAL, learning_rate_sum REAL NOT NULL, learning_rate_max REAL,
            tokens_per_second_count INTEGER NOT NULL, tokens_per_second_min REAL, tokens_per_second_sum REAL NOT NULL, tokens_per_second_max REAL,
            gradient_norm_count INTEGER NOT NULL, gradient_norm_min REAL, gradient_norm_sum REAL NOT NULL, gradient_norm_max REAL,
            held_out_loss_count INTEGER NOT NULL, held_out_loss_min REAL, held_out_loss_sum REAL NOT NULL, held_out_loss_max REAL,
            world_size_count INTEGER NOT NULL, world_size_min REAL, world_size_sum REAL NOT NULL, world_size_max REAL,
            PRIMARY KEY (job_id, lineage, generation, level, from_step)) WITHOUT ROWID;

        CREATE TABLE rank_samples (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id TEXT NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            step INTEGER NOT NULL,
            member INTEGER NOT NULL,
            worker TEXT NOT NULL,
            at INTEGER NOT NULL,
            steps INTEGER NOT NULL,
            data_milliseconds REAL NOT NULL,
            forward_milliseconds REAL NOT NULL,
            backward_milliseconds REAL NOT NULL,
            reduce_milliseconds REAL NOT NULL,
            update_milliseconds REAL NOT NULL,
            other_milliseconds REAL NOT NULL,
            memory_bytes INTEGER NOT NULL,
            peak_memory_bytes INTEGER NOT NULL,
            gpu_memory_bytes INTEGER NOT NULL,
            UNIQUE (job_id, lineage, generation, rank, step));
        CREATE INDEX rank_samples_by_job ON rank_samples (job_id, sequence);

        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            subject TEXT NOT NULL,
            name TEXT NOT NULL,
            who TEXT NOT NULL,
            what TEXT NOT NULL,
            why TEXT NOT NULL,
            severity INTEGER NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            step INTEGER NOT NULL,
            phase INTEGER NOT NULL);
        CREATE INDEX events_by_subject ON events (subject, sequence);
        CREATE INDEX events_by_time ON events (at);
        CREATE INDEX jobs_by_phase ON jobs (phase);
        -- Kind 1 is a job's. Of what was before, only that a job has failed is known to be an error.
        INSERT INTO events (at, kind, subject, name, who, what, why, severity, lineage, generation, step, phase)
        SELECT history.at, 1, history.job_id, coalesce(jobs.name, history.job_id), history.who, history.what, history.why, CASE WHEN history.phase = 6 THEN 3 ELSE 1 END,
            history.lineage, history.generation, history.step, history.phase
        FROM history LEFT JOIN jobs ON jobs.job_id = history.job_id ORDER BY history.at, history.job_id, history.sequence;
        """
        + RollupFill.FromMetrics,
        // Lists of jobs in any order, and deletions that a kill may cut off.
        """
        ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
        UPDATE jobs SET priority = coalesce(CASE WHEN json_valid(job_json) THEN json_extract(job_json, '$.priority') END, 0);
        CREATE INDEX jobs_by_name_newest ON jobs (name, ordinal DESC);
        CREATE INDEX jobs_by_submitter_newest ON jobs (submitter, ordinal DESC);
        CREATE INDEX jobs_by_phase_newest ON jobs (phase, ordinal DESC);
        CREATE INDEX jobs_by_priority_newest ON jobs (priority, ordinal);
        DROP INDEX jobs_by_name;

        CREATE TABLE deletions (
            job_id TEXT PRIMARY KEY,
            keep_model INTEGER NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL) WITHOUT ROWID;
        """,
        // What evaluations measure beside the loss, as a JSON object.
        "ALTER TABLE metrics ADD COLUMN measures TEXT;",
    ];

    /// <summary>The version that this program writes.</summary>
    public static int Newest => All.Length;

    /// <summary>Brings the schema up to the newest version, each step in a transaction of its own.</summary>
    /// <exception cref="StorageException">The schema is of a newer program.</exception>
    public static void Apply(SqliteSession session, string path)
    {
        session.Script("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TEXT NOT NULL)");
        var version = session.First("SELECT coalesce(max(version), 0) FROM schema_version", row => row.GetInt32(0));
        if (version > Newest)
        {
            throw new StorageException(
                $"The database {path} has schema version {version}, and this program knows versions up to {Newest}. Use the program that wrote it, or a newer one.");
        }
        for (; version < Newest; version++)
        {
            session.Script($"BEGIN IMMEDIATE; {All[version]} INSERT INTO schema_version VALUES ({version + 1}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')); COMMIT");
        }
    }
}
