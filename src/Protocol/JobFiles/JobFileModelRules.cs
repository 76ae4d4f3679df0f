namespace Linformer.Protocol;

/// <summary>What must hold between the fields of section `model`.</summary>
internal static class JobFileModelRules
{
    /// <summary>The rules.</summary>
    public static IReadOnlyList<JobFileRule> All { get; } =
    [
        new("`model.hidden` is a multiple of `model.heads`, unless `model.headSize` is given.",
            ["model.heads", "model.hidden", "model.headSize"],
            facts => facts.Job.Model is { HeadSize: null } model && model.Hidden % model.Heads != 0
                ? $"{facts.Show("model.heads", model.Heads)} does not divide model.hidden, {facts.Show("model.hidden", model.Hidden)}; allowed are its divisors"
                : null),
        new("`model.keyValueHeads` is 1 or `model.heads`.",
            ["model.keyValueHeads", "model.heads"],
            facts => facts.Job.Model is { KeyValueHeads: > 1 and var keyValueHeads } model && keyValueHeads != model.Heads
                ? $"{keyValueHeads:#,0} is neither 1 nor model.heads, {facts.Show("model.heads", model.Heads)}; allowed are these two"
                : null),
        OnePerLayer("projectedLengths", model => model.ProjectedLengths),
        OnePerLayer("feedForwards", model => model.FeedForwards),
        new("`model.projectedLengths` and `model.projectedLengthStep` are not given together.",
            ["model.projectedLengthStep", "model.projectedLengths"],
            facts => facts.Job.Model is { ProjectedLengths: not null, ProjectedLengthStep: > 0 and var step }
                ? $"{step:#,0} is neither 0 nor alone: model.projectedLengths says what it would; allowed is one of the two"
                : null),
        new("The projected length (k) of each block is at most `model.sequenceLength` (n) with linear attention.",
            ["model.projectedLength", "model.sequenceLength", "model.attention", "model.projectedLengths", "model.layers"],
            facts => facts.Job.Model is { Attention: AttentionKind.Linear } model && Lengths(model).Max() is var k && k > model.SequenceLength
                ? $"{Show(facts, k)} is more than model.sequenceLength, {facts.Show("model.sequenceLength", model.SequenceLength)}; allowed: 1 to {model.SequenceLength:#,0}"
                : null),
        new("With `model.projection` `convolution`, `mean-pool` or `max-pool`, `model.sequenceLength` (n) is a multiple of the projected length (k) of each block.",
            ["model.projectedLength", "model.sequenceLength", "model.attention", "model.projection", "model.projectedLengths", "model.projectedLengthStep", "model.layers"],
            facts => facts.Job.Model is { Attention: AttentionKind.Linear, Projection: ProjectionKind.Convolution or ProjectionKind.MeanPool or ProjectionKind.MaxPool } model
                && Lengths(model).FirstOrDefault(k => model.SequenceLength % k != 0) is > 0 and var odd
                ? $"{Show(facts, odd)} does not divide model.sequenceLength, {facts.Show("model.sequenceLength", model.SequenceLength)}, as windows of n/k positions need; allowed are its divisors"
                : null),
        new("With `model.sharing` `layerwise` the projected length (k) is the same in all blocks, unless `model.projection` has no parameters.",
            ["model.sharing", "model.projection", "model.projectedLengths", "model.projectedLengthStep", "model.layers", "model.attention"],
            facts => facts.Job.Model is { Sharing: SharingKind.Layerwise, Attention: AttentionKind.Linear, Projection: not (ProjectionKind.MeanPool or ProjectionKind.MaxPool) } model
                && Lengths(model).Distinct().Count() > 1
                ? $"{facts.Show("model.sharing", model.Sharing)} has one projection for all blocks, which need one each with different projected lengths; allowed: none, headwise, key-value"
                : null),
        new("`model.projectionBias` needs `model.projection` `learned`.",
            ["model.projectionBias", "model.projection"],
            facts => facts.Job.Model is { ProjectionBias: true, Projection: not ProjectionKind.Learned } model
                ? $"true needs model.projection learned, which is {facts.Show("model.projection", model.Projection)}"
                : null),
        new("`model.positions` `sinusoidal` needs an even width of the embeddings.",
            ["model.positions", "model.embedding", "model.hidden"],
            facts => facts.Job.Model is { Positions: PositionsKind.Sinusoidal } model && (model.Embedding ?? model.Hidden) % 2 != 0
                ? $"'sinusoidal' needs an even width of the embeddings, which is {model.Embedding ?? model.Hidden:#,0}"
                : null),
        new("`model.reversible` needs `model.normalization` `pre` and `model.checkpointing` `none`.",
            ["model.reversible", "model.normalization", "model.checkpointing"],
            facts => facts.Job.Model switch
            {
                { Reversible: true, Normalization: not NormalizationKind.Pre } model => $"true needs model.normalization pre, which is {facts.Show("model.normalization", model.Normalization)}",
                { Reversible: true, Checkpointing: not CheckpointingKind.None } model => $"true needs model.checkpointing none, which is {facts.Show("model.checkpointing", model.Checkpointing)}",
                _ => null,
            }),
        new("`model.causal` is for decoders: `none` with `task` `masked-lm` and `classification`. For `none`, a decoder with linear attention takes `segments`.",
            ["model.causal", "task"],
            facts => facts.Job is { Task: JobTask.MaskedLm or JobTask.Classification, Model.Causal: not CausalKind.None } job
                ? $"{facts.Show("model.causal", job.Model.Causal)} is for the decoders of causal-lm and sequence-to-sequence; allowed with {facts.Show("task", job.Task)}: none"
                : null),
        new("`model.head` `linear` is for `task` `masked-lm`: other tasks have heads of their own.",
            ["model.head", "task"],
            facts => facts.Job is { Task: not (JobTask.MaskedLm or JobTask.Plugin), Model.Head: not HeadKind.Transformed } job
                ? $"{facts.Show("model.head", job.Model.Head)} is a head of masked-lm; allowed with {facts.Show("task", job.Task)}: transformed"
                : null),
        AtMostLength("segmentLength", model => model.SegmentLength),
        AtMostLength("crossProjectedLength", model => model.CrossProjectedLength),
    ];

    private static JobFileRule AtMostLength(string name, Func<ModelSection, int?> value) => new(
        $"`model.{name}` is at most `model.sequenceLength` (n).",
        [$"model.{name}", "model.sequenceLength"],
        facts => value(facts.Job.Model) > facts.Job.Model.SequenceLength
            ? $"{value(facts.Job.Model):#,0} is more than model.sequenceLength, {facts.Show("model.sequenceLength", facts.Job.Model.SequenceLength)}; allowed: 1 to {facts.Job.Model.SequenceLength:#,0}"
            : null);

    private static JobFileRule OnePerLayer(string name, Func<ModelSection, IReadOnlyList<int>?> list) => new(
        $"`model.{name}` has one element for each of `model.layers`.",
        [$"model.{name}", "model.layers"],
        facts => list(facts.Job.Model) is { } values && values.Count != facts.Job.Model.Layers
            ? $"has {values.Count:#,0} elements; allowed: one for each of model.layers, {facts.Show("model.layers", facts.Job.Model.Layers)}"
            : null);

    // A list of another length than there are layers is told by its own rule.
    private static IEnumerable<int> Lengths(ModelSection model) =>
        model.ProjectedLengths ?? Enumerable.Range(0, model.ProjectedLengthStep == 0 ? 1 : model.Layers).Select(model.ProjectedLengthOf);

    private static string Show(JobFacts facts, int k) => facts.Job.Model.ProjectedLengths is null && k == facts.Job.Model.ProjectedLength
        ? facts.Show("model.projectedLength", k)
        : k.ToString("#,0");
}
