using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;
using Linformer.Training.Tests.Trainers;

namespace Linformer.Training.Tests.Sharding;

/// <summary>Training whose moments are shared out over the ranks, compared to the bit with training where each rank has all.</summary>
[Collection(nameof(Alone))]
public class ShardedTrainingTests
{
    private static readonly TrainingOptions Sharded = TrainerFixture.Default with
    {
        Steps = 20,
        GlobalBatch = 12,
        MicroBatch = 2,
        ClipNorm = 0.5,
        ShardOptimizer = true,
        // Several buckets, and several chunks of each part, that begin anywhere.
        BucketElements = 100,
        LearningRate = new LearningRateSchedule(ScheduleShape.Linear, Peak: 0.05, WarmupSteps: 3, Steps: 20),
        Optimizer = new AdamWOptions(0.9, 0.98, 1e-6, WeightDecay: 0.1),
    };

    [Theory]
    [InlineData(1, WireFormat.Full)]
    [InlineData(2, WireFormat.Full)]
    [InlineData(3, WireFormat.Full)]
    [InlineData(3, WireFormat.BFloat16)]
    [InlineData(5, WireFormat.Full)]
    public void It_is_the_same_to_the_bit_and_takes_less_memory(int worldSize, WireFormat wire)
    {
        var options = Sharded with { Wire = wire };
        using var ranks = new ShardedRanks(options);
        int[] members = [.. Enumerable.Range(0, worldSize).Select(_ => ranks.Add())];
        ranks.Run(members, untilStep: 7);

        using var whole = ShardedRanks.Undisturbed(options, ranks.Trainers[0].State.World);
        whole.State.Updates.ShouldBe(7);
        ranks.ShouldBe(whole, members, $"{worldSize} ranks");
        foreach (var trainer in ranks.Trainers)
        {
            var held = trainer.Optimizer.FirstMoment.numel() + trainer.Optimizer.SecondMoment.numel();
            ((double)held / (2 * trainer.Parameters.Length)).ShouldBe(Math.Min(1, 2.0 / worldSize), 0.07);
        }
    }

    [Fact]
    public void Parts_that_are_empty_do_no_harm()
    {
        // 32 elements for five ranks.
        var options = Sharded with { Steps = 5, GlobalBatch = 10 };
        var states = new int[5][];
        Ranks.Run(5, group =>
        {
            using var fixture = new TrainerFixture(options, group);
            for (var step = 0; step < 5; step++)
            {
                fixture.Trainer.TrainStep();
            }

            states[group.Rank] = Bits.BitsOf(fixture.Trainer.Parameters.Values);
        });
        Ranks.Run(5, group =>
        {
            using var fixture = new TrainerFixture(options with { ShardOptimizer = false }, group);
            for (var step = 0; step < 5; step++)
            {
                fixture.Trainer.TrainStep();
            }

            states[group.Rank].ShouldBe(Bits.BitsOf(fixture.Trainer.Parameters.Values));
        });
    }

    [Fact]
    public void Ranks_come_and_go()
    {
        using var ranks = new ShardedRanks(Sharded);
        int[] all = [.. Enumerable.Range(0, 4).Select(_ => ranks.Add())];
        ranks.Run([0], untilStep: 2);
        ranks.Run([1, 0], untilStep: 4);
        ranks.Run([1, 0, 2, 3], untilStep: 6);
        ranks.Run([2, 0, 3], untilStep: 8);
        ranks.Run([3, 2], untilStep: 10);
        ranks.Run([1, 2, 0], untilStep: 11);
        ranks.Run([0, 2, 1], untilStep: 12);
        ranks.Run(all, untilStep: 14);

        using var whole = ShardedRanks.Undisturbed(Sharded, ranks.Trainers[0].State.World);
        ranks.Trainers[0].State.World.Segments.Select(segment => segment.Ranks).ShouldBe([1, 2, 4, 3, 2, 3, 4]);
        ranks.ShouldBe(whole, all, "in the end");
    }

    [Fact]
    public void A_rank_cannot_train_without_moments_that_others_hold()
    {
        using var ranks = new ShardedRanks(Sharded);
        int[] members = [ranks.Add(), ranks.Add(), ranks.Add()];
        ranks.Run(members, untilStep: 1);
        var error = Should.Throw<InvalidOperationException>(() => ranks.Trainers[1].Join(new SingleProcessGroup()));
        error.Message.ShouldBe("Rank 0 of 1 lacks moments that it needs; they are with other ranks.");
    }

    [Fact]
    public void Rounds_of_local_steps_are_refused()
    {
        using var task = new LayeredTask();
        Should.Throw<ArgumentException>(() => new Trainer(task, Sharded with { LocalSteps = 4 })).Message.ShouldContain("localSteps is 4");
    }

    public static TheoryData<int, int, int, int> Losses()
    {
        var data = new TheoryData<int, int, int, int>();
        foreach (var what in (CutOff[])[CutOff.KilledBefore, CutOff.KilledAfter])
        {
            for (var lost = 0; lost < 3; lost++)
            {
                for (var deaf = 0; deaf < 3; deaf++)
                {
                    // Without a deaf one where it is the lost one itself.
                    if (what == CutOff.KilledAfter || deaf == lost)
                    {
                        data.Add(3, lost, deaf, (int)what);
                    }
                }
            }
        }

        data.Add(4, 1, 2, (int)CutOff.KilledAfter);
        data.Add(5, 4, 3, (int)CutOff.KilledAfter);
        return data;
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public void A_rank_that_is_lost_at_any_collective_of_a_step_costs_no_step(int worldSize, int lost, int deaf, int what)
    {
        const int Step = 2;
        using var undisturbed = new UndisturbedRuns(Sharded);
        var (exchange, perStep) = Collectives(worldSize);
        var steps = new HashSet<long>();
        // The third step, an ordinary one, and the first collective of the one behind it.
        for (var at = exchange + (Step * perStep) + 1; at <= exchange + ((Step + 1) * perStep) + 1; at++)
        {
            using var ranks = new ShardedRanks(Sharded);
            int[] members = [.. Enumerable.Range(0, worldSize).Select(_ => ranks.Add())];
            using var meeting = new Barrier(worldSize);
            var errors = ranks.Try(members, untilStep: 20, (rank, group) => new CutOffGroup(
                group, at, rank == lost ? (CutOff)what : rank == deaf ? CutOff.Deaf : CutOff.None, (CutOff)what == CutOff.KilledBefore ? null : meeting));
            errors.ShouldAllBe(error => error is ProcessGroupException, string.Join('\n', errors.Select(error => error?.ToString())));
            int[] survivors = [.. members.Where(member => member != lost)];
            var furthest = survivors.Max(member => ranks.Trainers[member].Step);
            steps.Add(furthest);

            ranks.Run(survivors, untilStep: Step + 4);

            var world = ranks.Trainers[survivors[0]].State.World;
            world.Segments.ShouldBe([new WorldSegment(1, worldSize), new WorldSegment(furthest + 1, worldSize - 1)]);
            var whole = undisturbed.Of(world);
            ranks.ShouldBe(whole, survivors, $"lost at collective {at} of {exchange} + {Step} · {perStep}");
        }

        if ((CutOff)what == CutOff.KilledBefore)
        {
            // Nobody waits for the others: a rank can be lost before these have heard of the end of the step before.
            steps.ShouldBeSubsetOf([Step - 1, Step, Step + 1]);
            steps.ShouldContain(Step);
        }
        else
        {
            steps.Order().ShouldBe([Step, Step + 1]);
        }
    }

    [Fact]
    public void A_rank_that_is_lost_while_a_step_is_left_out_or_skipped_costs_no_step()
    {
        foreach (var isBad in (bool[])[false, true])
        {
            var (exchange, perStep) = Collectives(3);
            var skipped = new HashSet<long> { isBad ? 100 : 3 };
            Action<LayeredTask> prepare = task => task.Predicts = first => !isBad || first / 12 != 2;
            using var undisturbed = new UndisturbedRuns(Sharded, skipped, prepare);
            for (var at = exchange + (2 * perStep) + 1; at <= exchange + (3 * perStep); at++)
            {
                using var ranks = new ShardedRanks(Sharded);
                int[] members = [ranks.Add(), ranks.Add(), ranks.Add()];
                foreach (var member in members)
                {
                    ranks.Trainers[member].SkippedSteps = skipped;
                    prepare(ranks.Tasks[member]);
                }

                using var meeting = new Barrier(3);
                ranks.Try(members, untilStep: 20, (rank, group) => new CutOffGroup(group, at, rank switch { 0 => CutOff.KilledAfter, 1 => CutOff.Deaf, _ => CutOff.None }, meeting))
                    .ShouldAllBe(error => error is ProcessGroupException);

                ranks.Run([2, 1], untilStep: 6);

                var whole = undisturbed.Of(ranks.Trainers[1].State.World);
                ranks.ShouldBe(whole, [1, 2], $"lost at collective {at}");
            }
        }
    }

    /// <summary>Collectives of one rank before its first step, and in each step.</summary>
    private static (int Exchange, int PerStep) Collectives(int worldSize)
    {
        int After(int step)
        {
            var calls = 0;
            using var ranks = new ShardedRanks(Sharded);
            int[] members = [.. Enumerable.Range(0, worldSize).Select(_ => ranks.Add())];
            ranks.Try(members, step, (rank, group) => rank == 0 ? new CutOffGroup(group, -1, CutOff.None, null, count: called => calls = called) : group)
                .ShouldAllBe(error => error == null);
            // Without the last barrier.
            return calls - 1;
        }

        var exchange = After(0);
        return (exchange, After(1) - exchange);
    }
}
