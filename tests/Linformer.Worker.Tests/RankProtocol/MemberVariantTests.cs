using Linformer.Protocol;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>Models of other shapes, trained by two ranks as real processes.</summary>
[Trait("Lane", "Processes")]
public sealed class MemberVariantTests
{
    public static TheoryData<string> Names() => [.. Variants.Keys];

    private static Dictionary<string, Func<ModelSection, ModelSection>> Variants { get; } = new()
    {
        ["reversible, one key/value head"] = model => model with { Layers = 3, Reversible = true, KeyValueHeads = 1, HeadSize = 5 },
        ["layers computed anew, fixed projections"] = model => model with
        {
            Layers = 2,
            Checkpointing = CheckpointingKind.Layer,
            Projection = ProjectionKind.Fixed,
            Embedding = 8,
            Positions = PositionsKind.Sinusoidal,
        },
        ["heads computed anew, convolutions, gated"] = model => model with
        {
            Layers = 2,
            Checkpointing = CheckpointingKind.Head,
            Projection = ProjectionKind.Convolution,
            Sharing = SharingKind.None,
            ProjectedLengths = [8, 4],
            Gated = true,
            FeedForwards = [24, 32],
        },
        ["not trained, keys as values"] = model => model with { TrainProjection = false, Sharing = SharingKind.Headwise, ShareKeyValue = true, FeedForwardDropout = 0.1, ProjectionDropout = 0.1 },
    };

    // With dropout: what is drawn belongs to the step and the micro-batch, whichever rank computes it and however often.
    [Theory]
    [MemberData(nameof(Names))]
    public void TheyTrainAndTheReplayHasTheSameBits(string name)
    {
        using var job = new MemberFixture("steps: 8, evaluateEvery: 4, checkpointEvery: 1000");
        job.Job = job.Job with { Model = Variants[name](job.Job.Model) };
        var (first, second) = job.StartTwo();

        MemberFixture.Form(1, [first, second]);
        first.WaitFor<FinishedMessage>();
        second.WaitFor<FinishedMessage>();
        new[] { first, second }.Select(member => member.WaitForExit()).ShouldAllBe(code => code == 0);

        job.Replay(job.History).ShouldBe(job.Weights);
    }
}
