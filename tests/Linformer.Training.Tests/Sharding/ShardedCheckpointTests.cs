using System.Security.Cryptography;
using Linformer.Training.Checkpoints;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using Linformer.Training.Tests.Checkpoints;
using Linformer.Training.Tests.ProcessGroups;
using Linformer.Training.Tests.Trainers;

namespace Linformer.Training.Tests.Sharding;

[Collection(nameof(Alone))]
public sealed class ShardedCheckpointTests : IDisposable
{
    private const string Job = "{}";

    private static readonly TrainingOptions Options = TrainerFixture.Default with { GlobalBatch = 12, Steps = 20, BucketElements = 100, ClipNorm = 1 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_are_the_same_whatever_the_number_of_ranks_and_whether_sharded_or_not()
    {
        // From one state, since steps of other numbers of ranks round otherwise.
        var start = Write(Options, worldSize: 3, steps: 5, from: null);
        var hashes = new List<string>();
        foreach (var isSharded in (bool[])[false, true])
        {
            foreach (var worldSize in (int[])[1, 2, 3, 4])
            {
                var info = Write(Options with { ShardOptimizer = isSharded }, worldSize, steps: 0, start);
                hashes.Add(string.Join(' ', info.Files.OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(info.PathOf(file.Name)))))));
            }
        }

        hashes.Distinct().ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Training_goes_on_to_the_bit_with_sharding_switched(bool before, bool after)
    {
        var first = Write(Options with { ShardOptimizer = before }, worldSize: 3, steps: 4, from: null);
        var second = Write(Options with { ShardOptimizer = after }, worldSize: 4, steps: 3, first);
        using var task = new LayeredTask();
        using var trainer = new Trainer(task, Options);
        TrainerCheckpoint.Restore(second, trainer, Options.GlobalBatch);

        using var whole = ShardedRanks.Undisturbed(Options, trainer.State.World);
        trainer.State.World.Segments.ShouldBe([new WorldSegment(1, 3), new WorldSegment(5, 4)]);
        Bits.StateOf(trainer).ShouldBe(Bits.StateOf(whole));
    }

    [Fact]
    public void Parts_that_were_not_gathered_are_no_checkpoint() => Ranks.Run(3, group =>
    {
        using var task = new LayeredTask();
        using var trainer = new Trainer(task, Options with { ShardOptimizer = true });
        trainer.Join(group);
        trainer.TrainStep();
        Should.Throw<InvalidOperationException>(() => TrainerCheckpoint.Take(trainer, Options.GlobalBatch)).Message.ShouldContain("gathered first");
        using var gathered = trainer.GatherMoments(keep: group.Rank == 1);
        (gathered is not null).ShouldBe(group.Rank == 1);
    });

    [Fact]
    public void A_rank_that_is_lost_while_moments_are_gathered_costs_no_step()
    {
        var options = Options with { ShardOptimizer = true };
        for (var at = 1; at <= 4; at++)
        {
            using var ranks = new ShardedRanks(options);
            int[] members = [ranks.Add(), ranks.Add(), ranks.Add()];
            ranks.Run(members, untilStep: 3);
            Ranks.Try(3, gloo =>
            {
                gloo.Connected.Wait();
                var trainer = ranks.Trainers[gloo.Rank];
                trainer.Join(new CutOffGroup(gloo, at, gloo.Rank == 1 ? CutOff.KilledBefore : CutOff.None, meeting: null));
                trainer.GatherMoments(keep: gloo.Rank == 0)?.Dispose();
            }).ShouldAllBe(error => error is ProcessGroupException);

            ranks.Run([0, 2], untilStep: 5);

            using var whole = ShardedRanks.Undisturbed(options, ranks.Trainers[0].State.World);
            ranks.ShouldBe(whole, [0, 2], $"lost at collective {at}");
        }
    }

    /// <summary>Goes on from a checkpoint, or begins, takes steps, and writes one.</summary>
    private CheckpointInfo Write(TrainingOptions options, int worldSize, int steps, CheckpointInfo? from)
    {
        CheckpointInfo? written = null;
        var store = new CheckpointStore(Path.Combine(_folder.Root, Guid.NewGuid().ToString("N")));
        Ranks.Run(worldSize, group =>
        {
            using var task = new LayeredTask();
            using var trainer = new Trainer(task, options);
            if (from is not null)
            {
                GoOn(trainer, group, from);
            }

            trainer.Join(group);
            group.Barrier().Wait();
            trainer.Settle();
            for (var step = 0; step < steps; step++)
            {
                trainer.TrainStep();
            }

            using var gathered = trainer.GatherMoments(keep: group.Rank == 0);
            if (group.Rank == 0)
            {
                using var copy = TrainerCheckpoint.Take(trainer, options.GlobalBatch, gathered);
                written = copy.WriteAsync(store, lineage: 0, generation: 1, Job).GetAwaiter().GetResult();
            }
        });
        return written!;
    }

    // As ranks do: one reads it.
    private static void GoOn(Trainer trainer, GlooProcessGroup group, CheckpointInfo from)
    {
        if (group.Rank == 0)
        {
            TrainerCheckpoint.Restore(from, trainer, Options.GlobalBatch);
        }

        if (trainer.IsSharded)
        {
            var offers = ShardExchange.AllWith(group.WorldSize, root: 0, new StatePlace(1, from.Id.Step));
            ShardExchange.Transfer(trainer, group, offers, ShardRecovery.Decide(offers, trainer.Parameters.Length)!, []);
        }
        else
        {
            StateExchange.Transfer(trainer, group, root: 0, [.. Enumerable.Range(1, group.WorldSize - 1)], []);
        }
    }
}
