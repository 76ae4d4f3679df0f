namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>The schema's versions in PostgreSQL. A migration that was released is never changed; the next one is added.</summary>
internal static class PostgresSchema
{
    // Keeps two coordinators that start at once from making the same tables: "linforme" in ASCII.
    private const long AdvisoryLock = 0x6c696e666f726d65;

    private static readonly string[] All =
    [
        """
        CREATE TABLE jobs (
            ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id TEXT COLLATE "C" NOT NULL UNIQUE,
            name TEXT COLLATE "C" NOT NULL,
            idempotency_key TEXT COLLATE "C" UNIQUE,
            file_sha256 TEXT,
            job_json TEXT NOT NULL,
            submitter TEXT NOT NULL,
            submitted_at BIGINT NOT NULL,
            phase INTEGER NOT NULL,
            ended INTEGER NOT NULL,
            revision BIGINT NOT NULL,
            view TEXT);
        CREATE INDEX jobs_by_name ON jobs (name, ordinal);
        CREATE INDEX jobs_unfinished ON jobs (ordinal) WHERE ended = 0;

        CREATE TABLE history (
            job_id TEXT COLLATE "C" NOT NULL,
            sequence BIGINT NOT NULL,
            at BIGINT NOT NULL,
            who TEXT NOT NULL,
            what TEXT NOT NULL,
            why TEXT NOT NULL,
            phase INTEGER NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            step BIGINT NOT NULL,
            PRIMARY KEY (job_id, sequence));

        CREATE TABLE progress (
            job_id TEXT COLLATE "C" PRIMARY KEY,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            committed_step BIGINT NOT NULL);

        CREATE TABLE generations (
            job_id TEXT COLLATE "C" NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            world_size INTEGER NOT NULL,
            started_at BIGINT NOT NULL,
            first_step BIGINT,
            PRIMARY KEY (job_id, lineage, generation));

        CREATE TABLE metrics (
            job_id TEXT COLLATE "C" NOT NULL,
            step BIGINT NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            at BIGINT NOT NULL,
            world_size INTEGER NOT NULL,
            loss DOUBLE PRECISION NOT NULL,
            learning_rate DOUBLE PRECISION NOT NULL,
            tokens_per_second DOUBLE PRECISION NOT NULL,
            gradient_norm DOUBLE PRECISION,
            held_out_loss DOUBLE PRECISION,
            PRIMARY KEY (job_id, lineage, generation, step));
        CREATE INDEX metrics_held_out ON metrics (job_id, lineage, generation, step) WHERE held_out_loss IS NOT NULL;

        CREATE TABLE logs (
            sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id TEXT COLLATE "C" NOT NULL,
            member BIGINT NOT NULL,
            generation INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            number BIGINT NOT NULL,
            at BIGINT NOT NULL,
            worker TEXT NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (job_id, member, number));
        CREATE INDEX logs_by_job ON logs (job_id, sequence);
        CREATE INDEX logs_by_rank ON logs (job_id, rank, sequence);

        CREATE TABLE checkpoints (
            job_id TEXT COLLATE "C" NOT NULL,
            name TEXT COLLATE "C" NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            step BIGINT NOT NULL,
            at BIGINT NOT NULL,
            bytes BIGINT NOT NULL,
            kept INTEGER NOT NULL,
            PRIMARY KEY (job_id, name));

        CREATE TABLE grains (
            grain_id TEXT COLLATE "C" NOT NULL,
            state_name TEXT COLLATE "C" NOT NULL,
            etag BIGINT NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (grain_id, state_name));

        CREATE TABLE workers (name TEXT COLLATE "C" PRIMARY KEY);
        CREATE TABLE corpora (
            ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            corpus_id TEXT COLLATE "C" NOT NULL UNIQUE);
        """,
        """
        CREATE TABLE tokens (
            token_id TEXT COLLATE "C" PRIMARY KEY,
            hash TEXT NOT NULL,
            user_name TEXT COLLATE "C" NOT NULL,
            role INTEGER NOT NULL,
            note TEXT NOT NULL,
            created_by TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            revoked_at BIGINT);

        CREATE TABLE audit (
            sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at BIGINT NOT NULL,
            user_name TEXT COLLATE "C" NOT NULL,
            role TEXT NOT NULL,
            token_id TEXT NOT NULL,
            peer TEXT NOT NULL,
            method TEXT NOT NULL,
            target TEXT NOT NULL,
            outcome TEXT NOT NULL);
        CREATE INDEX audit_by_user ON audit (user_name, sequence);
        CREATE FUNCTION audit_is_not_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit log is neither changed nor deleted';
        END $$;
        CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_not_changed();

        CREATE INDEX jobs_unfinished_by_submitter ON jobs (submitter) WHERE ended = 0;
        """,
        // Metrics from before are brought together as later ones are.
        """
        CREATE TABLE metric_rollups (
            job_id TEXT COLLATE "C" NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            level INTEGER NOT NULL,
            from_step BIGINT NOT NULL,
            first_step BIGINT NOT NULL,
            last_step BIGINT NOT NULL,
            last_at BIGINT NOT NULL,
            steps INTEGER NOT NULL,
            loss_count INTEGER NOT NULL, loss_min DOUBLE PRECISION, loss_sum DOUBLE PRECISION NOT NULL, loss_max DOUBLE PRECISION,
            learning_rate_count INTEGER NOT NULL, learning_rate_min DOUBLE PRECISION, learning_rate_sum DOUBLE PRECISION NOT NULL, learning_rate_max DOUBLE PRECISION,
            tokens_per_second_count INTEGER NOT NULL, tokens_per_second_min DOUBLE PRECISION, tokens_per_second_sum DOUBLE PRECISION NOT NULL, tokens_per_second_max DOUBLE PRECISION,
            gradient_norm_count INTEGER NOT NULL, gradient_norm_min DOUBLE PRECISION, gradient_norm_sum DOUBLE PRECISION NOT NULL, gradient_norm_max DOUBLE PRECISION,
            held_out_loss_count INTEGER NOT NULL, held_out_loss_min DOUBLE PRECISION, held_out_loss_sum DOUBLE PRECISION NOT NULL, held_out_loss_max DOUBLE PRECISION,
            world_size_count INTEGER NOT NULL, world_size_min DOUBLE PRECISION, world_size_sum DOUBLE PRECISION NOT NULL, world_size_max DOUBLE PRECISION,
            PRIMARY KEY (job_id, lineage, generation, level, from_step));

        CREATE TABLE rank_samples (
            sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id TEXT COLLATE "C" NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            step BIGINT NOT NULL,
            member BIGINT NOT NULL,
            worker TEXT NOT NULL,
            at BIGINT NOT NULL,
            steps INTEGER NOT NULL,
            data_milliseconds DOUBLE PRECISION NOT NULL,
            forward_milliseconds DOUBLE PRECISION NOT NULL,
            backward_milliseconds DOUBLE PRECISION NOT NULL,
            reduce_milliseconds DOUBLE PRECISION NOT NULL,
            update_milliseconds DOUBLE PRECISION NOT NULL,
            other_milliseconds DOUBLE PRECISION NOT NULL,
            memory_bytes BIGINT NOT NULL,
            peak_memory_bytes BIGINT NOT NULL,
            gpu_memory_bytes BIGINT NOT NULL,
            UNIQUE (job_id, lineage, generation, rank, step));
        CREATE INDEX rank_samples_by_job ON rank_samples (job_id, sequence);

        CREATE TABLE events (
            sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at BIGINT NOT NULL,
            kind INTEGER NOT NULL,
            subject TEXT COLLATE "C" NOT NULL,
            name TEXT NOT NULL,
            who TEXT NOT NULL,
            what TEXT NOT NULL,
            why TEXT NOT NULL,
            severity INTEGER NOT NULL,
            lineage INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            step BIGINT NOT NULL,
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
        UPDATE jobs SET priority = coalesce(substring(job_json from '"priority"\s*:\s*(-?[0-9]{1,9})')::int, 0);
        ALTER TABLE jobs ALTER COLUMN submitter TYPE TEXT COLLATE "C";
        CREATE INDEX jobs_by_name_newest ON jobs (name, ordinal DESC);
        CREATE INDEX jobs_by_submitter_newest ON jobs (submitter, ordinal DESC);
        CREATE INDEX jobs_by_phase_newest ON jobs (phase, ordinal DESC);
        CREATE INDEX jobs_by_priority_newest ON jobs (priority, ordinal);
        DROP INDEX jobs_by_name;

        CREATE TABLE deletions (
            job_id TEXT COLLATE "C" PRIMARY KEY,
            keep_model INTEGER NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL);
        """,
        // What evaluations measure beside the loss, as a JSON object.
        "ALTER TABLE metrics ADD COLUMN measures TEXT;",
    ];

    /// <summary>
    /// Makes what has to be there before anybody holds the lease: its row, and the table of versions. These never change.
    /// </summary>
    public static void Prepare(PostgresSession session)
    {
        if (session.First("SELECT to_regclass('lease') IS NOT NULL AND to_regclass('schema_version') IS NOT NULL", row => row.GetBoolean(0)))
            return;
        session.BeginWrite();
        session.First("SELECT pg_advisory_xact_lock($1)", _ => true, AdvisoryLock);
        session.Execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)");
        session.Execute(
            """
            CREATE TABLE IF NOT EXISTS lease (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                epoch BIGINT NOT NULL,
                holder TEXT NOT NULL,
                host TEXT NOT NULL,
                process_id INTEGER NOT NULL,
                taken_at TIMESTAMPTZ NOT NULL,
                expires_at TIMESTAMPTZ NOT NULL)
            """);
        session.Execute("INSERT INTO lease VALUES (1, 0, '', '', 0, clock_timestamp(), '-infinity') ON CONFLICT DO NOTHING");
        session.Commit();
    }

    /// <summary>Checks that this program knows the schema.</summary>
    /// <returns>Its version; 0 before the first.</returns>
    /// <exception cref="StorageException">The schema is of a newer program.</exception>
    public static int Check(PostgresSession session, PostgresAddress address)
    {
        var version = session.First("SELECT coalesce(max(version), 0) FROM schema_version", row => row.GetInt32(0));
        return version <= All.Length
            ? version
            : throw new StorageException(
                $"The database {address} has schema version {version}, and this program knows versions up to {All.Length}. Use the program that wrote it, or a newer one.");
    }

    /// <summary>Brings the schema up to the newest version. Only for the holder of the lease, which every step checks.</summary>
    /// <exception cref="FencedException">Another coordinator has the lease.</exception>
    public static void Apply(PostgresSession session, PostgresAddress address, long epoch)
    {
        for (var version = Check(session, address); version < All.Length; version++)
        {
            session.Script("BEGIN; SET LOCAL statement_timeout = 0");
            PostgresLease.Check(session, address, epoch);
            session.Script($"{All[version]} INSERT INTO schema_version VALUES ({version + 1}, clock_timestamp()); COMMIT");
        }
    }
}
