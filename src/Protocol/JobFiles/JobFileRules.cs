namespace Linformer.Protocol;

/// <summary>A resolved job and which of its fields the file gave.</summary>
/// <param name="Job">The job.</param>
/// <param name="Given">Whether the file has a field of this path.</param>
/// <param name="Cuda">Whether this build can compute on a GPU.</param>
internal sealed record JobFacts(JobFile Job, Func<string, bool> Given, bool Cuda)
{
    /// <summary>A value, and where it comes from if the file does not give it.</summary>
    public string Show(string path, object value)
    {
        var shown = value switch
        {
            Enum choice => $"'{JobFileSchema.ChoiceName(choice)}'",
            int number => number.ToString("#,0"),
            _ => value.ToString()!,
        };
        if (Given(path))
            return shown;
        var fromPreset = path.StartsWith("model.", StringComparison.Ordinal);
        return fromPreset ? $"{shown} (from preset {Job.Model.Preset})" : $"{shown} (the default)";
    }
}

/// <summary>A rule over one or more fields.</summary>
/// <param name="Text">The rule as the reference page states it.</param>
/// <param name="Fields">The fields; the first is the one that a message names. A field that is wrong by itself suspends the rule.</param>
/// <param name="Check">The message, or null if the job keeps the rule.</param>
internal sealed record JobFileRule(string Text, string[] Fields, Func<JobFacts, string?> Check);

/// <summary>What must hold between fields, and what this version cannot do yet.</summary>
internal static class JobFileRules
{
    /// <summary>Rules between fields.</summary>
    public static IReadOnlyList<JobFileRule> BetweenFields { get; } =
    [
        new("`corpus.tokenizer` has either `kind` and `vocabularySize` or `file`.",
            ["corpus.tokenizer.file", "corpus.tokenizer.kind", "corpus.tokenizer.vocabularySize"],
            facts => facts.Given("corpus.tokenizer.file") && (facts.Given("corpus.tokenizer.kind") || facts.Given("corpus.tokenizer.vocabularySize"))
                ? $"{Texts.Show(facts.Job.Corpus.Tokenizer.File!)} is given together with kind or vocabularySize; allowed is either a file or those two"
                : null),
        new("`model.hidden` is a multiple of `model.heads`.",
            ["model.heads", "model.hidden"],
            facts => facts.Job.Model is var model && model.Hidden % model.Heads != 0
                ? $"{facts.Show("model.heads", model.Heads)} does not divide model.hidden, {facts.Show("model.hidden", model.Hidden)}; allowed are its divisors"
                : null),
        new("`model.projectedLength` (k) is at most `model.sequenceLength` (n) with linear attention.",
            ["model.projectedLength", "model.sequenceLength", "model.attention"],
            facts => facts.Job.Model is { Attention: AttentionKind.Linear } model && model.ProjectedLength > model.SequenceLength
                ? $"{facts.Show("model.projectedLength", model.ProjectedLength)} is more than model.sequenceLength, "
                    + $"{facts.Show("model.sequenceLength", model.SequenceLength)}; allowed: 1 to {model.SequenceLength:#,0}"
                : null),
        new("`training.globalBatch` is a multiple of `training.microBatch`.",
            ["training.globalBatch", "training.microBatch"],
            facts => facts.Job.Training is var training && training.GlobalBatch % training.MicroBatch != 0
                ? $"{facts.Show("training.globalBatch", training.GlobalBatch)} is not a multiple of training.microBatch, "
                    + $"{facts.Show("training.microBatch", training.MicroBatch)}; allowed are its multiples"
                : null),
        new("`training.warmupSteps` is at most `training.steps`.",
            ["training.warmupSteps", "training.steps"],
            facts => facts.Job.Training is var training && training.WarmupSteps > training.Steps
                ? $"{facts.Show("training.warmupSteps", training.WarmupSteps)} is more than training.steps, "
                    + $"{facts.Show("training.steps", training.Steps)}; allowed: 0 to {training.Steps:#,0}"
                : null),
        new("`ranks.min` is at most `ranks.max`.",
            ["ranks.min", "ranks.max"],
            facts => facts.Job.Ranks is var ranks && ranks.Min > ranks.Max
                ? $"{facts.Show("ranks.min", ranks.Min)} is more than ranks.max, {facts.Show("ranks.max", ranks.Max)}; allowed: 1 to {ranks.Max:#,0}"
                : null),
        new("Each rank has a micro-batch: `ranks.max` is at most `training.globalBatch` / `training.microBatch`.",
            ["ranks.max", "training.globalBatch", "training.microBatch"],
            facts => facts.Job.Training is var training && facts.Job.Ranks.Max > training.GlobalBatch / training.MicroBatch
                && training.GlobalBatch % training.MicroBatch == 0
                ? $"{facts.Show("ranks.max", facts.Job.Ranks.Max)} is more than the {training.GlobalBatch / training.MicroBatch:#,0} micro-batches of a step "
                    + $"(training.globalBatch {training.GlobalBatch:#,0} / training.microBatch {training.MicroBatch:#,0}); "
                    + $"allowed: 1 to {training.GlobalBatch / training.MicroBatch:#,0}"
                : null),
    ];

    /// <summary>What the job file can say but this version cannot do yet.</summary>
    public static IReadOnlyList<JobFileRule> NotYet { get; } =
    [
        new("`task`: only `masked-lm` is available yet.",
            ["task"],
            facts => facts.Job.Task == JobTask.MaskedLm ? null : $"{facts.Show("task", facts.Job.Task)} is not available yet; use masked-lm"),
        new("`training.precision`: only `fp32` is available yet.",
            ["training.precision"],
            facts => facts.Job.Training.Precision == PrecisionKind.Fp32
                ? null
                : $"{facts.Show("training.precision", facts.Job.Training.Precision)} is not available yet; use fp32"),
        new("`device: cuda` needs a build with GPU support (`./linformer build --feed nuget --torch cuda`).",
            ["device"],
            facts => facts.Job.Device == DeviceKind.Cuda && !facts.Cuda
                ? "'cuda' is not available in this build, which has no GPU support; use auto or cpu"
                : null),
    ];

    /// <summary>All rules.</summary>
    public static IReadOnlyList<JobFileRule> All { get; } = [.. BetweenFields, .. NotYet];
}
