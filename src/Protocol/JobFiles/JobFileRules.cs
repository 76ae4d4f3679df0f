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
        new("`plugin` is given with `task: plugin`, and only then.",
            ["plugin", "task"],
            facts => (facts.Job.Task == JobTask.Plugin, facts.Job.Plugin is not null) switch
            {
                (true, false) => "is missing; task plugin needs plugin.assembly",
                (false, true) => $"goes with task plugin only; the task is {facts.Show("task", facts.Job.Task)}",
                _ => null,
            }),
        new("`inference` is given with `task: inference`, and only then.",
            ["inference", "task"],
            facts => (facts.Job.Task == JobTask.Inference, facts.Job.Inference is not null) switch
            {
                (true, false) => "is missing; task inference needs inference.model",
                (false, true) => $"goes with task inference only; the task is {facts.Show("task", facts.Job.Task)}",
                _ => null,
            }),
        new("`training.microBatch` is a number with `task: plugin`: what a task of your own takes is not known.",
            ["training.microBatch", "task"],
            facts => facts.Job is { Task: JobTask.Plugin, Training.MicroBatch: null } ? "is auto; with task plugin a number is needed" : null),
        new("`corpus.tokenizer` has either `kind` and `vocabularySize` or `file`.",
            ["corpus.tokenizer.file", "corpus.tokenizer.kind", "corpus.tokenizer.vocabularySize"],
            facts => facts.Given("corpus.tokenizer.file") && (facts.Given("corpus.tokenizer.kind") || facts.Given("corpus.tokenizer.vocabularySize"))
                ? $"{Texts.Show(facts.Job.Corpus.Tokenizer.File!)} is given together with kind or vocabularySize; allowed is either a file or those two"
                : null),
        .. JobFileModelRules.All,
        new("`training.globalBatch` is a multiple of `training.microBatch`.",
            ["training.globalBatch", "training.microBatch"],
            facts => facts.Job.Training is { MicroBatch: { } microBatch } training && training.GlobalBatch % microBatch != 0
                ? $"{facts.Show("training.globalBatch", training.GlobalBatch)} is not a multiple of training.microBatch, "
                    + $"{facts.Show("training.microBatch", microBatch)}; allowed are its multiples"
                : null),
        new("`training.warmupSteps` is at most `training.steps`.",
            ["training.warmupSteps", "training.steps"],
            facts => facts.Job.Training is var training && training.WarmupSteps > training.Steps
                ? $"{facts.Show("training.warmupSteps", training.WarmupSteps)} is more than training.steps, "
                    + $"{facts.Show("training.steps", training.Steps)}; allowed: 0 to {training.Steps:#,0}"
                : null),
        new("`training.shardOptimizer` does not go with `training.localSteps` above 1.",
            ["training.shardOptimizer", "training.localSteps"],
            facts => facts.Job.Training is { ShardOptimizer: true, LocalSteps: > 1 } training
                ? $"{facts.Show("training.shardOptimizer", true)} does not go with training.localSteps, {facts.Show("training.localSteps", training.LocalSteps)}: "
                    + "ranks that take steps by themselves each need all of the optimizer's state; allowed is one of the two"
                : null),
        new("`ranks.min` is at most `ranks.max`.",
            ["ranks.min", "ranks.max"],
            facts => facts.Job.Ranks is var ranks && ranks.Min > ranks.Max
                ? $"{facts.Show("ranks.min", ranks.Min)} is more than ranks.max, {facts.Show("ranks.max", ranks.Max)}; allowed: 1 to {ranks.Max:#,0}"
                : null),
        new("Each rank has a micro-batch: `ranks.max` is at most `training.globalBatch` / `training.microBatch`.",
            ["ranks.max", "training.globalBatch", "training.microBatch"],
            facts => facts.Job.Training is var training && facts.Job.Ranks.Max > training.MicroBatches && training.GlobalBatch % (training.MicroBatch ?? 1) == 0
                ? $"{facts.Show("ranks.max", facts.Job.Ranks.Max)} is more than the {training.MicroBatches:#,0} micro-batches of a step "
                    + $"(training.globalBatch {training.GlobalBatch:#,0} / training.microBatch {training.MicroBatch?.ToString("#,0") ?? "of at least 1"}); "
                    + $"allowed: 1 to {training.MicroBatches:#,0}"
                : null),
        .. ClassificationRules.All,
        .. PairRules.All,
    ];

    /// <summary>What the job file can say but this version cannot do yet.</summary>
    public static IReadOnlyList<JobFileRule> NotYet { get; } =
    [
        new("`device: cuda` needs a build with GPU support (`./linformer build --feed nuget --torch cuda`).",
            ["device"],
            facts => facts.Job.Device == DeviceKind.Cuda && !facts.Cuda
                ? "'cuda' is not available in this build, which has no GPU support; use auto or cpu"
                : null),
    ];

    /// <summary>All rules.</summary>
    public static IReadOnlyList<JobFileRule> All { get; } = [.. BetweenFields, .. NotYet];
}
