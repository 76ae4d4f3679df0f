using Google.Protobuf.WellKnownTypes;
using Linformer.Cli.Progress;
using Linformer.Protocol;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;

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

    /// <summary>"alive", "draining".</summary>
    public static string State(Protocol.V1.Worker worker) => worker switch
    {
        { Alive: false } => "lost",
        { Draining: true } => "leaving",
        { Drained: true } => worker.Slots.Any(slot => slot.JobId.Length > 0) ? "draining" : "drained",
        { Unfit.Length: > 0 } => "unfit",
        _ => "alive",
    };

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

    /// <summary>"in bf16, micro-batches of 16 sequences": what may have been left to the machines; empty for what is no job file of today.</summary>
    public static string Computes(string jobJson) => JobFileParser.Parse(jobJson, "job", cuda: true).Job is { } job ? Computes(job) : "";

    /// <summary>The same of a job with nothing left open.</summary>
    public static string Computes(JobFile job) =>
        $"in {(job.Training.Precision == PrecisionKind.Bf16 ? "bf16" : "fp32")}, {(job.Inference is { } inference ? $"{Count(inference.Batch, "row")} at a time" : $"micro-batches of {Count(job.Training.MicroBatch ?? 1, "sequence")}")}";

    /// <summary>"120/1,500", or "90/1,500 again" while committed steps are computed again; "3,000/12,000 documents" of inference.</summary>
    public static string Steps(Job job) => IsInference(job)
        ? $"{job.AppliedStep * job.DocumentsPerStep:#,0}/{job.TotalSteps * job.DocumentsPerStep:#,0} documents"
        : $"{job.AppliedStep:#,0}/{job.TotalSteps:#,0}{(job.HasAgainFrom ? " again" : "")}";

    /// <summary>Whether a job applies a model rather than trains one: then its steps are so many documents, and so are its tokens.</summary>
    public static bool IsInference(Job job) => job.DocumentsPerStep > 0;

    /// <summary>"9,000 tokens/s", or "12.5 documents/s" of inference.</summary>
    public static string Speed(Job? job, MetricPoint metrics) => job is not null && IsInference(job)
        ? $"{metrics.TokensPerSecond:#,0.#} documents/s"
        : $"{metrics.TokensPerSecond:#,0} tokens/s";

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

    /// <summary>"Held-out accuracy 0.912, loss 0.231 on 1,000 examples; the best of all evaluations, that of step 300, was kept."</summary>
    /// <param name="measures">The measures.</param>
    /// <param name="loss">The mean loss of a prediction.</param>
    /// <param name="predictions">How many there are: one for each example, but of generated texts one for each token.</param>
    /// <param name="bestStep">The step whose model was kept; 0 for the last one.</param>
    public static string Measured(IReadOnlyCollection<KeyValuePair<string, double>> measures, double loss, long predictions, long bestStep) =>
        $"Held-out {ProgressText.Measures(measures)}, loss {loss:0.000} on {Count(predictions, measures.Any(measure => measure.Key is "bleu") ? "token" : "example")}{(bestStep > 0 ? $"; the best of all evaluations, that of step {bestStep:#,0}, was kept" : "")}.";

    /// <summary>Whether a job has applied a model rather than trained one: then its tokens are documents, and nothing was measured.</summary>
    public static bool IsInference(JobResult result) => double.IsNaN(result.HeldOutLoss) && result.PredictedTokens > 0;

    /// <summary>The section of a job that applies a model; null for others.</summary>
    public static InferenceSection? Inference(string jobJson) => JobFileParser.Parse(jobJson, "job", cuda: true).Job?.Inference;

    /// <summary>What came of a job, in a few lines.</summary>
    public static void WriteResult(TextWriter output, JobResult result)
    {
        if (IsInference(result))
        {
            output.WriteLine($"Applied a model of {result.Parameters:#,0} parameters to {Count(result.PredictedTokens, "document")}.");
            return;
        }
        output.WriteLine($"Trained {result.Parameters:#,0} parameters for {Count(result.Steps, "step")}.");
        if (result.Measures.Count > 0)
        {
            output.WriteLine(Measured(result.Measures, result.HeldOutLoss, result.PredictedTokens, result.BestStep));
            return;
        }
        output.WriteLine(double.IsNaN(result.UnigramPerplexity)
            ? $"Held-out loss {result.HeldOutLoss:0.0000} on {result.PredictedTokens:#,0} predictions."
            : $"Held-out perplexity {result.HeldOutPerplexity:0.0} on {result.PredictedTokens:#,0} tokens; word frequencies alone (unigram) give {result.UnigramPerplexity:0.0}.");
    }
}
