using System.Globalization;
using System.Text;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Training;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>Rank processes that classify.</summary>
[Trait("Lane", "Processes")]
public sealed class ClassificationMemberTests
{
    [Fact]
    [Trait("Speed", "Slow")]
    public void AKillLosesNoStepAndTheReplayOfTheHistoryHasTheSameBits()
    {
        const int Steps = 120;
        using var job = Job($"steps: {Steps}, evaluateEvery: 20, checkpointEvery: 1000");
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step == 20);
        second.Signal("KILL");
        var left = first.WaitFor<LeftMessage>();
        left.HoldsState.ShouldBeTrue();
        MemberFixture.Form(2, [first], join => join with { AtOnce = true, MustHold = true, CommittedStep = first.Progress.Max(progress => progress.Step) });
        var summary = RankSummary.FromJson(first.WaitFor<FinishedMessage>().SummaryJson);

        job.Progress.Select(told => told.Key).Order().ShouldBe(Enumerable.Range(1, Steps).Select(step => (long)step));
        foreach (var told in job.Progress)
        {
            told.ShouldAllBe(progress => (progress.Measures != null) == (told.Key % 20 == 0), $"step {told.Key}");
        }

        summary.Measures.ShouldNotBeNull().Keys.Order().ShouldBe(["accuracy", "f1", "macro-f1", "matthews", "micro-f1"]);
        summary.Measures["accuracy"].ShouldBeGreaterThan(0.9);
        var history = job.History;
        history.Segments.ShouldBe([new WorldSegment(1, 2), new WorldSegment(left.Step + 1, 1)]);
        job.Replay(history).ShouldBe(job.Weights);
    }

    [Fact]
    [Trait("Speed", "Slow")]
    public void TheBestModelIsKeptAndTrainingEndsWhenItGetsNoBetter()
    {
        // The learning rate grows until the model is worse again.
        using var job = Job("steps: 400, evaluateEvery: 10, checkpointEvery: 1000, keepCheckpoints: 1, keepBest: loss, earlyStopping: { patience: 4 }, learningRate: 5, warmupSteps: 400, onBadLoss: skip");
        var first = job.Start();
        MemberFixture.Form(1, [first]);
        var summary = RankSummary.FromJson(first.WaitFor<FinishedMessage>().SummaryJson);

        var evaluated = job.Progress.SelectMany(told => told).Where(progress => progress.HeldOutLoss is not null).ToDictionary(progress => progress.Step, progress => progress.HeldOutLoss!.Value);
        var best = evaluated.MinBy(evaluation => evaluation.Value);
        summary.Steps.ShouldBe(best.Key + 40);
        summary.BestStep.ShouldBe(best.Key);
        summary.HeldOutLoss.ShouldBe(best.Value);
        job.CheckpointNames.ShouldContain(name => name.EndsWith($"s{best.Key:00000000}", StringComparison.Ordinal));
        var folder = Path.Combine(job.Folder, job.RunFolder, "model");
        var checkpoint = Path.Combine(job.Folder, job.RunFolder, "checkpoints", job.CheckpointNames.Single(name => name.EndsWith($"s{best.Key:00000000}", StringComparison.Ordinal)));
        using var file = Linformer.Model.SafeTensors.SafeTensorsFile.Open(Path.Combine(checkpoint, "model.safetensors"));
        using var model = ModelFolder.Load(folder, ModelKind.Classification, of => new ClassificationModel(of.Config, of.Classification!));
        model.Head.Classes.ShouldBe(["calm", "loud"]);
        foreach (var (name, parameter) in model.named_parameters())
        {
            using var kept = Weights.Read(file, name);
            kept.data<float>().ToArray().ShouldBe(parameter.data<float>().ToArray(), name);
        }
    }

    [Fact]
    public void AnExampleThatIsTooLongIsNamed()
    {
        using var job = Job("steps: 10", "error");
        var failed = job.StartCold().WaitFor<FailedMessage>();
        failed.Permanent.ShouldBeTrue();
        failed.Message.ShouldContain("The example that begins \"0 a very long text");
        failed.Message.ShouldContain("raise model.sequenceLength");
    }

    private static MemberFixture Job(string training, string longDocuments = "truncate")
    {
        var text = new StringBuilder("text\tlabel\n");
        for (var line = 0; line < 300; line++)
        {
            var words = line % 20 == 0 ? $"{line} a very long text {string.Join(' ', Enumerable.Range(0, 40))}" : $"line {line}";
            text.Append(CultureInfo.InvariantCulture, $"{(line % 2 == 0 ? words + " shouts" : "whispers " + words)}{(line % 2 == 0 ? "!" : ".")}\t{(line % 2 == 0 ? "loud" : "calm")}\n");
        }

        return new MemberFixture(
            new Dictionary<string, string> { ["examples.tsv"] = text.ToString() },
            $$"""
            name: tiny
            task: classification
            corpus: { files: ["examples.tsv"], examples: { layout: tsv }, tokenizer: { vocabularySize: 300 }, heldOut: 0.2 }
            classification: { longDocuments: {{longDocuments}}, pooling: mean }
            model: { layers: 1, heads: 2, hidden: 16, feedForward: 32, sequenceLength: 32, projectedLength: 8, dropout: 0.1 }
            training: { globalBatch: 12, microBatch: 2, {{(training.Contains("learningRate") ? "" : "learningRate: 5.0e-3, warmupSteps: 5, ")}}{{training}} }
            ranks: { min: 1, max: 3 }
            """);
    }
}
