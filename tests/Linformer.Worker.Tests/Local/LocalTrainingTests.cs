using System.Text.Json.Nodes;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using Serilog.Core;

namespace Linformer.Worker.Tests.Local;

[Trait("Lane", "Processes")]
public sealed class LocalTrainingTests : LauncherFixture
{
    private readonly Observer _observer = new();

    [Fact]
    public async Task ABadLossGoesBackToANewLineageWhichIsRemembered()
    {
        var job = SmallJob.Create(Folder, "steps: 20, onBadLoss: back");

        await TrainAsync("bad-loss:7", job, new());

        _observer.Warnings.ShouldHaveSingleItem().ShouldBe("Step 7: the loss is NaN. Training goes back to the newest checkpoint and leaves the step out.");
        var record = RunRecord.Load(new StorageLayout(Folder).RunRecord("tiny"))!;
        (record.Lineage, record.Generation).ShouldBe((1, 2));
        record.LineageLimits.ShouldBe([6]);
        record.SkippedSteps.ShouldBe([7]);
        record.CorpusFingerprint.Length.ShouldBe(64);
        var metrics = Metrics();
        metrics.Select(line => (long)line["step"]!).ShouldBe(Enumerable.Range(1, 20).Select(step => (long)step));
        metrics.ShouldAllBe(line => (int)line["generation"]! == 2);
    }

    [Fact]
    public async Task AJobGoesBackTenTimesAndNotMore()
    {
        var job = SmallJob.Create(Folder, "steps: 20, onBadLoss: back");

        var error = await Should.ThrowAsync<BadDataException>(() => TrainAsync("always-bad", job, new()));

        error.Message.ShouldStartWith("Step 11: the loss is NaN, and the job has gone back 10 times already, from the steps 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.");
        _observer.Warnings.Count.ShouldBe(10);
    }

    [Fact]
    public async Task StepsThatAreToldTwiceAreKeptOnce()
    {
        await TrainAsync("repeats", SmallJob.Create(Folder, "steps: 20"), new());

        Metrics().Select(line => (long)line["step"]!).ShouldBe([1, 2, 3, 4]);
        _observer.Steps.ShouldBe([1, 2, 3, 4]);
    }

    [Fact]
    public async Task AHistoryIsRepeatedAGenerationForEachNumberOfRanks()
    {
        var history = new WorldHistory([new(1, 0), new(3, 2), new(8, 1), new(10, 0), new(11, 1), new(15, 3)], 20);

        await TrainAsync("steps:20", SmallJob.Create(Folder, "steps: 20"), new() { Replay = history });

        Metrics().Select(line => ((int)line["generation"]!, (int)line["worldSize"]!)).ShouldBe(
            [.. Enumerable.Repeat((1, 2), 7), .. Enumerable.Repeat((2, 1), 7), .. Enumerable.Repeat((3, 3), 6)]);
        _observer.Ranks.ShouldBe(3);
    }

    public static TheoryData<int, int, int, string> BadHistories => new()
    {
        { 19, 1, 2, "The history has 19 steps and the job 20" },
        { 20, 1, 7, "The history has 7 ranks up to step 20; the job can have at most 6" },
        { 20, 1, 0, "The history has no step that was computed." },
    };

    [Theory]
    [MemberData(nameof(BadHistories))]
    public async Task AHistoryOfAnotherJobIsRefusedBeforeAnythingIsMade(int steps, int from, int ranks, string reason)
    {
        var job = SmallJob.Create(Folder, "steps: 20");

        var error = await Should.ThrowAsync<BadDataException>(() => TrainAsync("steps:20", job, new() { Replay = new WorldHistory([new(from, ranks)], steps) }));

        error.Message.ShouldContain(reason);
        Directory.Exists(Path.Combine(Folder, "jobs")).ShouldBeFalse();
    }

    [Fact]
    public async Task AHistoryGoesWithNeitherAResumptionNorANumberOfRanks()
    {
        var job = SmallJob.Create(Folder, "steps: 20");
        var history = new WorldHistory([new(1, 1)], 20);

        await Should.ThrowAsync<BadDataException>(() => TrainAsync("steps:20", job, new() { Replay = history, Resume = true }));
        await Should.ThrowAsync<BadDataException>(() => TrainAsync("steps:20", job, new() { Replay = history, Ranks = 1 }));
    }

    [Fact]
    public async Task AJobWithLocalStepsHasNoHistoryToRepeat()
    {
        var job = SmallJob.Create(Folder, "steps: 20, localSteps: 5");

        var error = await Should.ThrowAsync<BadDataException>(() => TrainAsync("steps:20", job, new() { Replay = new WorldHistory([new(1, 1)], 20) }));

        error.Message.ShouldContain("training.localSteps 5");
    }

    [Fact]
    public async Task ABadLossInARepetitionSaysThatItIsAnotherJob()
    {
        var job = SmallJob.Create(Folder, "steps: 20, onBadLoss: back");

        var error = await Should.ThrowAsync<BadDataException>(() => TrainAsync("bad-loss:7", job, new() { Replay = new WorldHistory([new(1, 1)], 20) }));

        error.Message.ShouldBe("Step 7: the loss is NaN, and it was not when the history was recorded: the job or its corpus is another one.");
    }

    [Fact]
    public async Task WhatTheMachineSettlesIsRecordedAndKept()
    {
        var open = SmallJob.Create(Folder, "steps: 20");
        await TrainAsync("steps:20", open, new() { Processor = new Processor(Bfloat16: true, MemoryBytes: 0) });
        Recorded().ShouldBe(PrecisionKind.Bf16);
        await TrainAsync("steps:20", open, new() { Processor = new Processor(Bfloat16: false, MemoryBytes: 0) });
        Recorded().ShouldBe(PrecisionKind.Fp32);

        await TrainAsync("steps:20", SmallJob.Create(Folder, "steps: 20, precision: bf16"), new());
        Recorded().ShouldBe(PrecisionKind.Bf16);
        await TrainAsync("steps:20", open, new() { Resume = true, Processor = new Processor(Bfloat16: false, MemoryBytes: 0) });
        Recorded().ShouldBe(PrecisionKind.Bf16);
        var fp32 = SmallJob.Create(Folder, "steps: 20, precision: fp32");
        (await Should.ThrowAsync<BadDataException>(() => TrainAsync("steps:20", fp32, new() { Resume = true })))
            .Message.ShouldContain("training.precision was \"bf16\" and is \"fp32\"");

        PrecisionKind Recorded() => RunRecord.Load(new StorageLayout(Folder).RunRecord("tiny"))!.ParsedJob()!.Training.Precision;
    }

    [Fact]
    public async Task AMicroBatchIsSettledByTheRanksAndTheMemoryAndKept()
    {
        var job = SmallJob.Create(Folder, "steps: 20");
        var open = job with { Training = job.Training with { MicroBatch = null } };
        // 12 sequences of 32 tokens: one micro-batch for each of the ranks.
        await TrainAsync("steps:20", open, new() { Ranks = 2 });
        Recorded().ShouldBe(6);
        await TrainAsync("steps:20", open, new() { Ranks = 3 });
        Recorded().ShouldBe(4);
        await TrainAsync("steps:20", open, new() { Replay = new WorldHistory([new(1, 1), new(11, 4)], 20) });
        Recorded().ShouldBe(3);
        await TrainAsync("steps:20", open, new() { Resume = true, Ranks = 1 });
        Recorded().ShouldBe(3);
        (await Should.ThrowAsync<BadDataException>(() => TrainAsync("steps:20", open, new() { Resume = true, Ranks = 5 })))
            .Message.ShouldStartWith("5 ranks are not possible: a step has 4 micro-batches (globalBatch 12, microBatch 3)");
        await TrainAsync("steps:20", open, new() { Ranks = 1, Processor = new Processor(Bfloat16: false, MemoryBytes: 1) });
        Recorded().ShouldBe(1);

        int? Recorded() => RunRecord.Load(new StorageLayout(Folder).RunRecord("tiny"))!.ParsedJob()!.Training.MicroBatch;
    }

    [Fact]
    [Trait("Speed", "Slow")]
    public async Task ARepeatedHistoryGivesTheSameBits()
    {
        var job = SmallJob.Create(Folder, "steps: 12, evaluateEvery: 5, checkpointEvery: 5");
        var history = new WorldHistory([new(1, 2), new(4, 1), new(6, 0), new(7, 3)], 12);
        await TrainAsync(RankProgram.Argument, job, new() { Replay = history });
        var recorded = WorldHistory.Load(Path.Combine(Folder, "jobs", "tiny", StorageLayout.HistoryName));

        await TrainAsync(RankProgram.Argument, job with { Name = "again" }, new() { Replay = recorded });
        await TrainAsync(RankProgram.Argument, job with { Name = "other" }, new() { Ranks = 2 });

        recorded.ShouldBe(history);
        Weights("again").ShouldBe(Weights("tiny"));
        Weights("other").ShouldNotBe(Weights("tiny"));
    }

    private Task<LocalTrainingResult> TrainAsync(string mode, JobFile job, Choice choice) => new LocalTraining(
        new LocalTrainingOptions
        {
            RankProgram = (TestRank, [mode]),
            StorageRoot = Folder,
            Ranks = choice.Ranks,
            Resume = choice.Resume,
            Replay = choice.Replay,
            Processor = choice.Processor,
        },
        _observer,
        Logger.None).RunAsync(job, CancellationToken.None);

    private List<JsonNode> Metrics() =>
        [.. File.ReadLines(new StorageLayout(Folder).Metrics("tiny")).Select(line => JsonNode.Parse(line)!)];

    private byte[] Weights(string job) => File.ReadAllBytes(Path.Combine(Folder, "models", job, "model.safetensors"));

    private sealed record Choice
    {
        public int? Ranks { get; init; }

        public bool Resume { get; init; }

        public WorldHistory? Replay { get; init; }

        public Processor Processor { get; init; } = Processor.OfThisMachine;
    }

    private sealed class Observer : ITrainingObserver
    {
        public List<string> Warnings { get; } = [];

        public List<long> Steps { get; } = [];

        public int Ranks { get; private set; }

        public void Report(PreparationProgress value)
        {
        }

        public void CorpusReady(PreparedCorpus corpus)
        {
        }

        public void Starting(JobFile job, int ranks, long step) => Ranks = ranks;

        public void StepDone(ProgressMessage progress) => Steps.Add(progress.Step);

        public void Warn(string message) => Warnings.Add(message);
    }
}
