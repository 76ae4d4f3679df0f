using Linformer.Protocol.V1;

namespace Linformer.Cli.Views;

/// <summary>Lists of things as tables for people.</summary>
internal static class Lists
{
    /// <summary>Jobs, a row each.</summary>
    public static TextTable Jobs(IEnumerable<Job> jobs, DateTime now)
    {
        var table = new TextTable("JOB", "STATE", ">STEP", ">RANKS", ">AGE", "REASON");
        foreach (var job in jobs)
            table.Add(job.Id, Words.State(job), Words.Steps(job), Words.Ranks(job), Words.Age(job.SubmittedAt, now), job.Reason);
        return table;
    }

    /// <summary>Workers, a row each.</summary>
    public static TextTable Workers(IReadOnlyCollection<Protocol.V1.Worker> workers, DateTime now)
    {
        // Of workers and a coordinator of a release before there is none.
        string[] loads = workers.Any(HasLoad) ? [">PROCESSORS", ">MEMORY"] : [];
        var table = new TextTable(["WORKER", "STATE", ">SLOTS", "BF16", ">FREE", .. loads, "ADDRESS", ">SEEN", "RUNS"]);
        foreach (var worker in workers)
        {
            var busy = worker.Slots.Where(slot => slot.JobId.Length > 0).ToList();
            string[] load = loads.Length == 0 ? [] : HasLoad(worker) ? [Processors(worker.Load), Memory(worker.Load)] : ["-", "-"];
            table.Add(
            [
                worker.Name, Words.State(worker), $"{worker.Slots.Count} {Devices(worker)}".TrimEnd(), Bfloat16(worker), worker.Alive ? $"{worker.Slots.Count - busy.Count}" : "-", .. load,
                worker.Address, Words.Age(worker.LastSeen, now), Runs(worker, busy),
            ]);
        }

        return table;
    }

    /// <summary>The GPUs of workers, a row each; null where there are none.</summary>
    public static TextTable? Gpus(IEnumerable<Protocol.V1.Worker> workers)
    {
        var slots = workers.SelectMany(worker => worker.Slots.Where(slot => slot.Gpu is not null).Select(slot => (Worker: worker.Name, Slot: slot))).ToList();
        if (slots.Count == 0)
            return null;
        var table = new TextTable("WORKER", ">SLOT", "GPU", ">MEMORY", ">USED", ">TEMPERATURE", ">UTILISATION", "UUID");
        foreach (var (worker, slot) in slots)
        {
            var reading = slot.GpuReading;
            table.Add(
                worker, $"{slot.Number}", slot.Gpu.Name, Words.Bytes(slot.Gpu.MemoryBytes), reading is null ? "-" : Words.Bytes(reading.UsedMemoryBytes),
                reading is null or { Temperature: 0 } ? "-" : $"{reading.Temperature} °C", reading is null ? "-" : $"{reading.Utilization} %", slot.Gpu.Uuid);
        }

        return table;
    }

    /// <summary>Corpora, a row each.</summary>
    public static TextTable Corpora(IEnumerable<Corpus> corpora)
    {
        var table = new TextTable("CORPUS", "STATE", ">SHARDS", ">TOKENS", ">DOCUMENTS", ">VOCABULARY", "FILES");
        foreach (var corpus in corpora)
        {
            var files = string.Join(", ", corpus.Files);
            table.Add(
                corpus.Id, Words.State(corpus.State), $"{corpus.ShardsDone}/{corpus.Shards}", $"{corpus.Tokens:#,0}", $"{corpus.Documents:#,0}",
                $"{corpus.VocabularySize:#,0}", corpus.Error.Length > 0 ? $"{files} ({corpus.Error})" : files);
        }

        return table;
    }

    /// <summary>Checkpoints, a row each.</summary>
    public static TextTable Checkpoints(IEnumerable<Checkpoint> checkpoints, DateTime now)
    {
        var table = new TextTable("CHECKPOINT", ">STEP", ">LINEAGE", ">GENERATION", ">SIZE", ">AGE", "KEPT");
        foreach (var checkpoint in checkpoints)
        {
            table.Add(
                checkpoint.Name, $"{checkpoint.Step:#,0}", $"{checkpoint.Lineage}", $"{checkpoint.Generation}", Words.Bytes(checkpoint.Bytes),
                Words.Age(checkpoint.At, now), checkpoint.Kept ? "yes" : "no");
        }

        return table;
    }

    /// <summary>Tokens, a row each.</summary>
    public static TextTable Tokens(IEnumerable<Token> tokens, DateTime now)
    {
        var table = new TextTable("TOKEN", "USER", "ROLE", "STATE", "UNTIL", ">AGE", "BY", "NOTE");
        foreach (var token in tokens)
        {
            var state = token.RevokedAt is not null ? "revoked" : token.ExpiresAt?.ToDateTime() < now ? "expired" : "holds";
            table.Add(
                token.Id, token.User, Words.Role(token.Role), state, Words.Time(token.RevokedAt ?? token.ExpiresAt), Words.Age(token.CreatedAt, now), token.CreatedBy, token.Note);
        }

        return table;
    }

    /// <summary>Entries of the audit log, a row each.</summary>
    public static TextTable Audit(IEnumerable<AuditEntry> entries)
    {
        var table = new TextTable(">N", "TIME", "USER", "ROLE", "TOKEN", "FROM", "CALL", "TARGET", "OUTCOME");
        foreach (var entry in entries)
        {
            table.Add(
                $"{entry.Sequence}", Words.Time(entry.At), Or(entry.User), Or(entry.Role), Or(entry.TokenId), entry.Peer,
                entry.Method[(entry.Method.LastIndexOf('.') + 1)..], Or(entry.Target), entry.Outcome);
        }

        return table;
    }

    private static string Or(string text) => text.Length > 0 ? text : "-";

    // What was dropped while the coordinator was away is shown where there is any, and so is why a worker takes nothing new.
    private static string Runs(Protocol.V1.Worker worker, IEnumerable<Slot> busy)
    {
        var runs = string.Join(", ", busy.Select(Words.Rank));
        if (worker.LostMetricPoints + worker.LostLogLines > 0)
            runs = $"{runs} (dropped {worker.LostMetricPoints:#,0} metric points, {worker.LostLogLines:#,0} log lines)";
        return (worker.Unfit.Length > 0 ? $"{runs} ({worker.Unfit})" : runs).TrimStart();
    }

    // What a lost worker did last says nothing of now.
    private static bool HasLoad(Protocol.V1.Worker worker) => worker is { Alive: true, Load: not null };

    private static string Processors(MachineLoad load) => FormattableString.Invariant($"{load.ProcessorPercent:0} % of {load.Processors}");

    private static string Memory(MachineLoad load) => $"{Words.Bytes(load.UsedMemoryBytes)} of {Words.Bytes(load.MemoryBytes)}";

    // Of a release before nothing is known, which is taken for no.
    private static string Bfloat16(Protocol.V1.Worker worker) =>
        worker.Slots.Count(slot => slot.Bfloat16) is var with && with == worker.Slots.Count ? "yes" : with == 0 ? "no" : $"{with} of {worker.Slots.Count}";

    private static string Devices(Protocol.V1.Worker worker) => string.Join('+', worker.Slots.Select(slot => slot.Device).Distinct());
}
