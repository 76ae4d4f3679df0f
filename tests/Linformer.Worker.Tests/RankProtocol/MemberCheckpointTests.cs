using Linformer.Training;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>Rank processes that go on from checkpoints, and go back to them.</summary>
[Trait("Lane", "Processes")]
public sealed class MemberCheckpointTests
{
    [Fact]
    public void ANewLineageGoesOnFromWhatWasKeptAndLeavesStepsOut()
    {
        const int Steps = 100;
        using var job = new MemberFixture($"steps: {Steps}, evaluateEvery: 1000000, checkpointEvery: 5, keepCheckpoints: 1000");
        var (first, second) = job.StartTwo();
        // However late the next lineage begins, the job has not ended.
        MemberFixture.Form(1, [first, second], join => join with { UntilStep = Steps / 2 });
        first.WaitFor<CheckpointedMessage>();
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 10);

        // The state of the lineage before is worth nothing in the new one.
        MemberFixture.Form(2, [first, second], join => join with { Lineage = 1, AtOnce = true, SkippedSteps = [9], LineageLimits = [8] });
        first.WaitFor<JoinedMessage>(joined => joined.Generation == 2).ShouldBe(new JoinedMessage(1, 2, 5, "checkpoint l0000-g0001-s00000005"));
        second.WaitFor<JoinedMessage>(joined => joined.Generation == 2).ShouldBe(new JoinedMessage(1, 2, 5, "received"));
        first.WaitFor<FinishedMessage>();

        var told = first.Progress.Where(progress => progress.Lineage == 1).ToList();
        told.Select(progress => progress.Step).ShouldBe(Enumerable.Range(6, Steps - 5).Select(step => (long)step));
        told.Where(progress => double.IsNaN(progress.Loss)).Select(progress => progress.Step).ShouldBe([9L]);
        first.WaitFor<WarningMessage>(warning => warning.Message == "Step 9 was not applied: it is left out");
        job.History.Segments.ShouldBe([new WorldSegment(1, 2), new WorldSegment(9, 0), new WorldSegment(10, 2)]);
        job.CheckpointNames.ShouldContain($"l0001-g0002-s{Steps:D8}");
        job.Replay(job.History).ShouldBe(job.Weights);
    }

    [Fact]
    public void AJobDoesNotBeginAnewWhereTheChosenCheckpointIsGone()
    {
        using var job = new MemberFixture("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 5, keepCheckpoints: 1");
        var member = job.Start();
        MemberFixture.Form(1, [member]);
        member.WaitFor<CheckpointedMessage>();

        MemberFixture.Form(2, [member], join => join with { Lineage = 1, AtOnce = true, LineageLimits = [3], LineageOrigins = ["l0000-g0001-s00000003"] });

        var failed = member.WaitFor<FailedMessage>();
        failed.Message.ShouldContain("checkpoint l0000-g0001-s00000003, with which training was to go on, is not there any more");
        failed.Permanent.ShouldBeFalse();
        member.WaitForExit().ShouldBe(1);
        member.Messages.OfType<JoinedMessage>().ShouldNotContain(joined => joined.Generation == 2);
        job.CheckpointNames.ShouldNotBeEmpty();
    }

    [Fact]
    public void ABadLossThatAsksToGoBackIsToldByAllAndEndsNobody()
    {
        // Weights that grow ninefold with every step.
        using var job = new MemberFixture(
            "steps: 1000, learningRate: 10, weightDecay: 1, clipNorm: 0, schedule: constant, onBadLoss: back, evaluateEvery: 1000000, checkpointEvery: 1000000");
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        var left = first.WaitFor<LeftMessage>();
        second.WaitFor<LeftMessage>().ShouldBe(left);
        var bad = left.BadLossStep.ShouldNotBeNull();
        (left.Step, left.HoldsState).ShouldBe((bad - 1, true));
        left.Broken.ShouldNotBeNull().ShouldMatch("^the (loss|gradient)");
        first.Progress.Last().Step.ShouldBe(left.Step);

        MemberFixture.Form(2, [second, first], join => join with { Lineage = 1, SkippedSteps = [bad], LineageLimits = [bad - 1] });
        second.WaitFor<JoinedMessage>(joined => joined.Generation == 2).ShouldBe(new JoinedMessage(1, 2, 0, "fresh"));
        first.WaitFor<LeftMessage>(again => again.Generation == 2).BadLossStep.ShouldNotBeNull().ShouldBeGreaterThan(bad);
    }

    [Fact]
    public void NothingIsWrittenIntoTheFolderThatALostStorageLeavesBehind()
    {
        using var job = new MemberFixture("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 5, keepCheckpoints: 100");
        var id = Path.Combine(job.Folder, StorageLayout.StorageIdName);
        File.WriteAllText(id, "0123\n");
        var member = job.Start();
        MemberFixture.Form(1, [member]);
        member.WaitFor<CheckpointedMessage>();

        File.Delete(id);
        member.WaitFor<WarningMessage>().Message.ShouldMatch("^A checkpoint could not be written; training goes on. .*storage-id is not there any more");
        var before = job.CheckpointNames;
        var step = member.Applied;
        member.WaitFor<ProgressMessage>(progress => progress.Step >= step + 20);
        job.CheckpointNames.ShouldBe(before);

        File.WriteAllText(id, "0123\n");
        member.WaitFor<CheckpointedMessage>(checkpoint => checkpoint.Step > step + 10);
    }

    [Fact]
    public void AJobDoesNotBeginAnewWhereItsStorageIsLost()
    {
        using var job = new MemberFixture("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 5, keepCheckpoints: 100");
        var id = Path.Combine(job.Folder, StorageLayout.StorageIdName);
        File.WriteAllText(id, "0123\n");
        var member = job.Start();
        File.Delete(id);

        MemberFixture.Form(1, [member]);
        var left = member.WaitFor<LeftMessage>();
        left.HoldsState.ShouldBeFalse();
        left.Broken.ShouldNotBeNull().ShouldStartWith("met a fault of its storage: ");

        File.WriteAllText(id, "0123\n");
        MemberFixture.Form(2, [member]);
        member.WaitFor<JoinedMessage>(joined => joined.Generation == 2).ShouldBe(new JoinedMessage(0, 2, 0, "fresh"));
    }

    [Fact]
    public void AGenerationThatHasBeenReplacedDeletesNothing()
    {
        using var job = new MemberFixture("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 5, keepCheckpoints: 1");
        var member = job.Start();
        MemberFixture.Form(1, [member]);
        member.WaitFor<CheckpointedMessage>(checkpoint => checkpoint.Deleted is { Count: 1 });
        Directory.CreateDirectory(Path.Combine(job.Folder, job.RunFolder, StorageLayout.CheckpointsName, "l0000-g0002-s00000001"));

        var warning = member.WaitFor<WarningMessage>(warned => warned.Message.Contains("newer generation", StringComparison.Ordinal));
        warning.Message.ShouldStartWith("Older checkpoints stay: checkpoint l0000-g0002-s00000001 is of a newer generation than generation 1");
        var kept = member.WaitFor<CheckpointedMessage>(checkpoint => warning.Message.EndsWith($" {checkpoint.Checkpoint}.", StringComparison.Ordinal)).Checkpoint;
        var step = member.Applied;
        member.WaitFor<CheckpointedMessage>(checkpoint => checkpoint.Step > step + 10);
        job.CheckpointNames.ShouldContain(kept);
    }

    [Fact]
    public void TheOnlyHolderOfTheStateWritesItBeforeItStops()
    {
        using var job = new MemberFixture("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 1000000");
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        second.Signal("KILL");
        var step = first.WaitFor<LeftMessage>().Step;

        // Nobody forms a generation that would write it.
        first.Send(new StopMessage());

        first.WaitFor<StoppedMessage>().Step.ShouldBe(step);
        first.WaitForExit().ShouldBe(0);
        job.CheckpointNames.ShouldBe([$"l0000-g0001-s{step:D8}"]);
        var next = job.Start();
        MemberFixture.Form(2, [next], join => join with { CommittedStep = step });
        next.WaitFor<JoinedMessage>().ShouldBe(new JoinedMessage(0, 2, step, $"checkpoint l0000-g0001-s{step:D8}"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AStopWaitsUntilItsCheckpointCanBeWritten(bool inGeneration)
    {
        using var job = new MemberFixture("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 1000000");
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        var inTheWay = Path.Combine(job.Folder, job.RunFolder, StorageLayout.CheckpointsName);
        Directory.CreateDirectory(Path.GetDirectoryName(inTheWay)!);
        File.WriteAllText(inTheWay, "");
        if (!inGeneration)
        {
            second.Signal("KILL");
            first.WaitFor<LeftMessage>();
        }

        first.Send(new StopMessage());
        first.WaitFor<WarningMessage>().Message.ShouldMatch("^The checkpoint to stop with could not be written; it is tried again");
        first.Messages.ShouldNotContain(message => message is StoppedMessage || message is FailedMessage);
        File.Delete(inTheWay);

        var step = first.WaitFor<StoppedMessage>().Step;
        first.WaitForExit().ShouldBe(0);
        job.CheckpointNames.ShouldBe([$"l0000-g0001-s{step:D8}"]);
    }

    [Fact]
    public void AGenerationThatHasBeenReplacedSavesNoModel()
    {
        using var job = new MemberFixture("steps: 40, evaluateEvery: 1000000, checkpointEvery: 1000000");
        var (first, second) = job.StartTwo();
        Directory.CreateDirectory(Path.Combine(job.Folder, job.RunFolder, StorageLayout.CheckpointsName, "l0000-g0007-s00000001"));
        MemberFixture.Form(1, [first, second], join => join with { LineageLimits = [], CommittedStep = 0 });

        first.WaitFor<LeftMessage>().ShouldBe(new LeftMessage(1, 40, HoldsState: true, "was replaced by generation 7"));
        second.WaitFor<LeftMessage>().Broken.ShouldNotBeNull();
        Directory.Exists(Path.Combine(job.Folder, job.RunFolder, "model")).ShouldBeFalse();
    }

    [Fact]
    public void ADamagedCheckpointIsSkippedWithAWarningThatNamesIt()
    {
        using var job = new MemberFixture("steps: 12, evaluateEvery: 1000000, checkpointEvery: 5");
        var member = job.Start();
        MemberFixture.Form(1, [member]);
        member.WaitFor<FinishedMessage>();
        job.CheckpointNames.ShouldBe(["l0000-g0001-s00000005", "l0000-g0001-s00000010", "l0000-g0001-s00000012"]);
        foreach (var name in job.CheckpointNames[1..])
        {
            var path = Path.Combine(job.Folder, job.RunFolder, StorageLayout.CheckpointsName, name, "optimizer.safetensors");
            var bytes = File.ReadAllBytes(path);
            bytes[^1] ^= 1;
            File.WriteAllBytes(path, bytes);
        }

        var weights = job.Weights;
        var (next, other) = job.StartTwo();
        MemberFixture.Form(2, [next, other], join => join with { CommittedStep = 12 });
        next.WaitFor<JoinedMessage>().Source.ShouldBe("checkpoint l0000-g0001-s00000005");
        // That steps are done again is told a moment later, or already.
        var warnings = next.Messages.OfType<WarningMessage>().Select(warned => warned.Message).Where(message => !message.StartsWith("No rank holds step 12", StringComparison.Ordinal));
        warnings.ShouldSatisfyAllConditions(
            warned => warned.Count().ShouldBe(2),
            warned => warned.ShouldAllBe(message => message.Contains("optimizer.safetensors: its SHA-256 is", StringComparison.Ordinal)));
        next.WaitFor<FinishedMessage>();
        job.History.Segments.ShouldBe([new WorldSegment(1, 1), new WorldSegment(6, 2)]);
        job.Weights.ShouldNotBe(weights, "two ranks sum in another order than one");
    }
}
