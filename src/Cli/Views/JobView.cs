using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Cli.Progress;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Views;

/// <summary>All about a job, for people.</summary>
internal static class JobView
{
    private const int LabelWidth = 12;

    /// <summary>Writes what <c>show</c> shows.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="details">The job.</param>
    /// <param name="width">Columns of the terminal; null where there is none.</param>
    public static void Write(TextWriter output, JobDetails details, int? width)
    {
        var job = details.Job;
        Field(output, "Job", job.Name == job.Id ? job.Id : $"{job.Id} (name {job.Name})");
        Field(output, "State", Words.StateAndReason(job));
        Field(output, "Step", $"{job.AppliedStep:#,0} of {job.TotalSteps:#,0}, committed {job.CommittedStep:#,0} (lineage {job.Lineage}, generation {job.Generation})");
        if (job.HasAgainFrom)
            Field(output, "", Words.Again(job));
        Field(output, "Ranks", $"{(job.State == JobState.Running ? $"{Words.Ranks(job)} now, " : "")}{Words.Range(job.RanksMin, job.RanksMax)} asked for; priority {job.Priority}");
        if (Words.Computes(details.JobFile) is { Length: > 0 } computes)
            Field(output, "Computes", computes);
        Field(output, "Submitted", $"{Words.Time(job.SubmittedAt)}{(job.Submitter.Length > 0 ? $" by {Words.Person(job.Submitter)}" : "")}");
        if (job.StartedAt is not null)
            Field(output, "Started", Words.Time(job.StartedAt));
        if (job.EndedAt is not null)
            Field(output, "Ended", Words.Time(job.EndedAt));
        WriteCorpus(output, details);
        WriteMeasures(output, details);
        WriteRanks(output, details, width);
        WriteFailure(output, details.LastFailure);
        WriteHistory(output, details, width);
    }

    private static void WriteCorpus(TextWriter output, JobDetails details)
    {
        var files = Files(details.JobFile);
        var id = details.CorpusId.Length > 0 ? $" (corpus {details.CorpusId})" : "";
        if (files.Length + id.Length > 0)
            Field(output, "Corpus", $"{files}{id}".TrimStart());
        if (details.Corpus is { Phase.Length: > 0 } progress)
            Field(output, "", $"{progress.Phase}: {Words.Progress(progress)}");
    }

    private static void WriteMeasures(TextWriter output, JobDetails details)
    {
        if (Words.Inference(details.JobFile) is { } inference)
        {
            WriteInference(output, details, inference);
            return;
        }

        if (details.LastMetrics is { } metrics)
        {
            Field(output, "Loss", ProgressText.IsLeftOut(metrics.Loss, metrics.TokensPerSecond)
                ? $"none: step {metrics.Step:#,0} was left out"
                : $"{metrics.Loss:0.000} at step {metrics.Step:#,0}; learning rate {metrics.LearningRate:0.0e+0}, {metrics.TokensPerSecond:#,0} tokens/s");
        }

        if (details.HasHeldOutLoss && details.Result is null)
            Field(output, "Held-out", details.Measures.Count > 0 ? ProgressText.Measures(details.Measures) : $"perplexity {Math.Exp(details.HeldOutLoss):#,0.0}");

        if (details.Result is { } result)
        {
            Field(output, "Held-out", result.Measures.Count > 0
                ? Words.Measured(result.Measures, result.HeldOutLoss, result.PredictedTokens, result.BestStep)["Held-out ".Length..]
                : double.IsNaN(result.UnigramPerplexity)
                ? $"loss {result.HeldOutLoss:0.0000} on {result.PredictedTokens:#,0} predictions"
                : $"perplexity {result.HeldOutPerplexity:#,0.0} on {result.PredictedTokens:#,0} tokens (unigram {result.UnigramPerplexity:#,0.0})");
            Field(output, "Model", $"{result.ModelFolder} below the storage root; {result.Parameters:#,0} parameters");
        }
    }

    private static void WriteInference(TextWriter output, JobDetails details, Protocol.InferenceSection inference)
    {
        var perStep = (long)inference.ShardDocuments * Math.Max(1, details.Job.RanksMax);
        if (details.LastMetrics is { } metrics)
        {
            var done = details.Result is { } all ? $"all {all.PredictedTokens:#,0} done" : $"{metrics.Step * perStep:#,0} of about {details.Job.TotalSteps * perStep:#,0} done";
            Field(output, "Documents", $"{done}; {metrics.TokensPerSecond:#,0.#} documents/s at step {metrics.Step:#,0}");
        }
        if (details.Result is { } result)
            Field(output, "Results", $"{inference.Output ?? result.ModelFolder} below the storage root, of a model of {result.Parameters:#,0} parameters");
    }

    private static void WriteRanks(TextWriter output, JobDetails details, int? width)
    {
        if (details.Ranks.Count == 0)
            return;
        output.WriteLine();
        var table = new TextTable(">RANK", ">MEMBER", "WORKER", ">SLOT", ">STEP", ">PID", "STATE");
        foreach (var rank in details.Ranks)
        {
            var slowness = Words.Slowness(rank, details.Ranks);
            table.Add(
                rank.InGeneration ? $"{rank.Rank_}" : "-", $"{rank.Member}", rank.Worker, $"{rank.Slot}", $"{rank.AppliedStep:#,0}",
                rank.ProcessId > 0 ? $"{rank.ProcessId}" : "-", slowness.Length > 0 ? $"{rank.State}; {slowness}" : rank.State);
        }

        table.Write(output, width);
    }

    private static void WriteFailure(TextWriter output, RankFailure? failure)
    {
        if (failure is null)
            return;
        output.WriteLine();
        output.WriteLine($"Last failure: {Words.Failure(failure)}");
        foreach (var line in failure.LastLogLines)
            output.WriteLine($"  | {line}");
    }

    private static void WriteHistory(TextWriter output, JobDetails details, int? width)
    {
        if (details.History.Count == 0)
            return;
        output.WriteLine();
        var table = new TextTable("TIME", ">STEP", "WHO", "WHAT");
        foreach (var entry in details.History)
            table.Add(Words.Time(entry.At), $"{entry.Step:#,0}", entry.Who, entry.Why.Length > 0 ? $"{entry.What}: {entry.Why}" : entry.What);
        table.Write(output, width);
    }

    private static string Files(string jobFile)
    {
        try
        {
            return JsonNode.Parse(jobFile)?["corpus"]?["files"] is JsonArray files ? string.Join(", ", files.Select(file => $"{file}")) : "";
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return ""; // of a newer coordinator
        }
    }

    private static void Field(TextWriter output, string label, string value) => output.WriteLine($"{label.PadRight(LabelWidth)}{value}");
}
