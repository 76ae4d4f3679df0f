using Google.Protobuf.WellKnownTypes;
using Linformer.Cli.Progress;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Views;

/// <summary>What messages hold, in words for people.</summary>
internal static class Words
{
    /// <summary>"running", or "running (pausing)" while a change is under way.</summary>
    public static string State(Job job) => job.Pending.Length > 0 ? $"{State(job.State)} ({job.Pending})" : State(job.State);

    /// <summary>"running".</summary>
    public static string State(JobState state) => ProtoJson.Word(JobsReflection.Descriptor.EnumTypes[0], (int)state);

    /// <summary>"sharding".</summary>
    public static string State(CorpusState state) => ProtoJson.Word(CorporaReflection.Descriptor.EnumTypes[0], (int)state);

    /// <summary>"submitter".</summary>
    public static string Role(Role role) => ProtoJson.Word(AccessReflection.Descriptor.EnumTypes[0], (int)role);

    /// <summary>Whether nothing more will happen to a job.</summary>
    public static bool HasEnded(JobState state) => state is JobState.Succeeded or JobState.Failed or JobState.Cancelled;

    /// <summary>The name of a person: "ada" of "person:ada".</summary>
    public static string Person(string who) => who.StartsWith("person:", StringComparison.Ordinal) ? who["person:".Length..] : who;

    /// <summary>"running: its ranks stop", or the reason alone where it tells the state.</summary>
    public static string StateAndReason(Job job) => job.Reason.StartsWith(State(job.State), StringComparison.Ordinal)
        ? job.Reason
        : job.Reason.Length > 0 ? $"{State(job)}: {job.Reason}" : State(job);

    /// <summary>"1 to 2", or "2" where that is all that is allowed.</summary>
    public static string Range(int least, int most) => least == most ? $"{least}" : $"{least} to {most}";

    /// <summary>"120/1,500", or "90/1,500 again" while committed steps are computed again.</summary>
    public static string Steps(Job job) => $"{job.AppliedStep:#,0}/{job.TotalSteps:#,0}{(job.HasAgainFrom ? " again" : "")}";

    /// <summary>"2", or "1 of 2" where ranks of the newest generation are gone; "-" for a job that does not run.</summary>
    public static string Ranks(Job job) => job.State != JobState.Running
        ? "-"
        : job.HasRanksLeft && job.RanksLeft < job.WorldSize ? $"{job.RanksLeft} of {job.WorldSize}" : $"{job.WorldSize}";

    /// <summary>"training goes again from step 60; step 100 was committed, and no rank that held it is left".</summary>
    public static string Again(Job job) =>
        $"training goes again from step {job.AgainFrom:#,0}; step {job.CommittedStep:#,0} was committed, and no rank that held it is left";

    /// <summary>A local time: "2026-11-22 06:15:09", or a dash for none.</summary>
    public static string Time(Timestamp? time) => time is null ? "-" : $"{time.ToDateTime().ToLocalTime():yyyy-MM-dd HH:mm:ss}";

    /// <summary>How long ago: "12 s", "3 min", "2 h", "5 d", or a dash for never.</summary>
    /// <param name="time">When.</param>
    /// <param name="now">The time now, in UTC.</param>
    public static string Age(Timestamp? time, DateTime now) => time is null ? "-" : (now - time.ToDateTime()) switch
    {
        { TotalSeconds: < 60 } age => $"{Math.Max(0, (int)age.TotalSeconds)} s",
        { TotalMinutes: < 60 } age => $"{(int)age.TotalMinutes} min",
        { TotalHours: < 48 } age => $"{(int)age.TotalHours} h",
        var age => $"{(int)age.TotalDays} d",
    };

    /// <summary>"12.3 MB".</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1000 => $"{bytes} B",
        < 1_000_000 => $"{bytes / 1e3:0.0} kB",
        < 1_000_000_000 => $"{bytes / 1e6:0.0} MB",
        _ => $"{bytes / 1e9:0.0} GB",
    };

    /// <summary>"2 ranks", "1 rank".</summary>
    public static string Count(long count, string noun) => count == 1 ? $"1 {noun}" : $"{count:#,0} {noun}s";

    /// <summary>"tiny-abcde r1", or "tiny-abcde" of a process that is in no generation.</summary>
    public static string Rank(Slot slot) => slot.Rank >= 0 ? $"{slot.JobId} r{slot.Rank}" : slot.JobId;

    /// <summary>"1,200 of 4,096 bytes".</summary>
    public static string Progress(CorpusProgress progress) =>
        ProgressText.Count(progress.Done, progress.Total > 0 ? progress.Total : null, progress.Unit);

    /// <summary>"generation 2 started with 2 ranks: a worker was lost (coordinator)".</summary>
    public static string History(HistoryEntry entry)
    {
        var why = entry.Why.Length > 0 ? $": {entry.Why}" : "";
        return $"{entry.What}{why} ({entry.Who})";
    }

    /// <summary>"rank 1 on worker b was ended by SIGKILL" and why.</summary>
    public static string Failure(RankFailure failure)
    {
        var how = failure.Signal.Length > 0 ? $"was ended by {failure.Signal}" : $"ended with exit code {failure.ExitCode}";
        var who = failure.Rank >= 0 ? $"rank {failure.Rank}" : "a rank that got ready";
        var where = failure.Rank >= 0 ? $" (generation {failure.Generation}{(failure.Step > 0 ? $", step {failure.Step:#,0}" : "")})" : "";
        return $"{who} on worker {failure.Worker}{where} {(failure.Reason.Length > 0 ? failure.Reason : how)}";
    }

    /// <summary>How many times the others' median step time a rank takes: "2.3 times the others' step time"; empty for one that is not slow.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="ranks">All ranks of the job.</param>
    public static string Slowness(Rank rank, IEnumerable<Rank> ranks)
    {
        var others = ranks.Where(other => other.InGeneration && other.Member != rank.Member && other.StepMilliseconds > 0)
            .Select(other => other.StepMilliseconds).Order().ToList();
        if (!rank.Straggler || others.Count == 0)
            return rank.Straggler ? "slow" : "";
        var median = (others[(others.Count - 1) / 2] + others[others.Count / 2]) / 2;
        return $"{rank.StepMilliseconds / median:0.0} times the others' step time";
    }

    /// <summary>What came of a job, in a few lines.</summary>
    public static void WriteResult(TextWriter output, JobResult result)
    {
        output.WriteLine($"Trained {result.Parameters:#,0} parameters for {Count(result.Steps, "step")}.");
        output.WriteLine(
            $"Held-out perplexity {result.HeldOutPerplexity:0.0} on {result.PredictedTokens:#,0} masked tokens; word frequencies alone (unigram) give {result.UnigramPerplexity:0.0}.");
    }
}
